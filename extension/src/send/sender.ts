// One patient's draft and its Send on one surface: outlives the form that draws it, so that a patient who comes
// back finds a Send that is still under way, and nobody presses it twice.
import type { Config } from "../api/types";
import type { Surroundings, Unsubscribe } from "../ports";
import type { Answered, Chosen, Content, Draft } from "./draft";
import { changed, EMPTY, isDirty, isTried, lacksOf, tried } from "./draft";
import { keeperOf } from "./keeper";
import type { Refusal } from "./sentences";
import { LEFT_UNDER_WAY, refusalOf } from "./sentences";
import { draftFrom } from "./stored_draft";

export type SendingSurface = "mini" | "sidecar";

/** What a Send did. */
export interface Receipt {
  who: string;
  /** Milliseconds. */
  when: number;
  /** A newer response came meanwhile: this one is kept, that one still waits. */
  superseded: boolean;
  needsAck: boolean;
}

export interface SenderState {
  readonly draft: Draft;
  readonly sending: boolean;
  readonly refusal: Refusal | null;
  readonly receipt: Receipt | null;
}

interface Place {
  surface: SendingSurface;
  surroundings: Surroundings;
  /** As it is when the sender begins. What the user may do can change under it: the form says what is sent. */
  config: Config;
  patientKey: string;
}

export class Sender {
  state: SenderState = { draft: EMPTY, sending: false, refusal: null, receipt: null };
  readonly #listeners = new Set<() => void>();
  readonly #keeper;
  #touched = false;
  #typedTold = false;

  constructor(
    private readonly place: Place,
    private readonly name: string,
    private readonly onIdle: () => void,
  ) {
    this.#keeper = keeperOf(place.surroundings.drafts);
    void this.#restore();
  }

  subscribe(listener: () => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
      this.#letGoWhenIdle();
    };
  }

  /** What the user changed. While a Send is under way nothing may change: it would look as if it had been sent. */
  change(change: Partial<Chosen>, showing: Answered): void {
    if (this.state.sending) {
      this.#become({});
      return;
    }
    this.#touched = true;
    const draft = changed(this.state.draft, change, showing);
    if (!this.#typedTold && isDirty(draft)) this.#tellTyped();
    this.#become({ draft, refusal: null, receipt: null });
    this.#keep();
  }

  /**
   * Sends `content`, which is what the form shows, if it may; once, however often it is pressed. The receipt when
   * it was stored.
   */
  async send(content: Content, answered: Answered): Promise<Receipt | null> {
    const { draft, sending } = this.state;
    if (sending || lacksOf(content).length > 0) return null;
    const attempt = tried(draft, content, answered, newKey);
    const attempted = { ...draft, attempt };
    this.#become({ draft: attempted, sending: true, refusal: null, receipt: null });
    this.#keep();
    const receipt = await this.#call(content, attempt.key).catch((error: unknown) => {
      const refusal = refusalOf(error);
      // Refused, this try stored nothing; what was tried before it, and got lost, may be stored all the same.
      this.#become({ draft: refusal.passing ? attempted : draft, sending: false, refusal });
      return null;
    });
    if (receipt !== null) {
      this.#typedTold = false;
      this.#become({ draft: EMPTY, sending: false, receipt });
    }
    this.#keep();
    this.#letGoWhenIdle();
    return receipt;
  }

  async #call(content: Content, idempotencyKey: string): Promise<Receipt> {
    const { surroundings, surface, patientKey, config } = this.place;
    const body = {
      ...content,
      session_id: surroundings.sessionId,
      patient_key: patientKey,
      ...(surroundings.site !== undefined && { site: surroundings.site }),
      ...(surroundings.applicationId !== undefined && { application_id: surroundings.applicationId }),
    };
    const endpoint = surface === "mini" ? "mini/ack" : "sidecar/ack";
    const { submission, superseded, needs_ack } = await surroundings.api.call(endpoint, body, {
      idempotencyKey,
    });
    const { display_name: who } = config.user;
    return { who, when: Date.parse(submission.submitted_at), superseded, needsAck: needs_ack };
  }

  async #restore(): Promise<void> {
    const draft = draftFrom(await this.#keeper.read(this.name));
    // Who typed before it came has begun another one.
    if (draft === null || this.#touched || this.state.sending) return;
    this.#typedTold = true;
    const { override } = this.place.config.permissions;
    this.#become({ draft, refusal: isTried(draft, override) ? LEFT_UNDER_WAY : null });
  }

  #keep(): void {
    const { draft } = this.state;
    void this.#keeper.write(this.name, isDirty(draft) ? draft : undefined);
  }

  #tellTyped(): void {
    this.#typedTold = true;
    const { surroundings, surface, patientKey } = this.place;
    const endpoint = surface === "mini" ? "mini/interaction" : "sidecar/interaction";
    const body = { session_id: surroundings.sessionId, patient_key: patientKey, kind: "typed" as const };
    // It commits nothing: lost, it is lost.
    surroundings.api.call(endpoint, body).catch(() => undefined);
  }

  #letGoWhenIdle(): void {
    if (this.#listeners.size === 0 && !this.state.sending) this.onIdle();
  }

  #become(change: Partial<SenderState>): void {
    this.state = { ...this.state, ...change };
    for (const listener of [...this.#listeners]) listener();
  }
}

/** randomUUID is missing on host pages that come over plain HTTP. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

const senders = new WeakMap<Surroundings, Map<string, Sender>>();

/**
 * The sender of this patient's Send on this surface. A draft belongs to who wrote it, so that on a shared computer
 * the next user finds none of it, and to the tab where it was written: shared by two, it would be sent by both.
 */
export function senderOf(place: Place): Sender {
  const { surroundings, surface, config, patientKey } = place;
  const name = `${surface}:${surroundings.sessionId}:${config.user.user_id}:${patientKey}`;
  const mine = senders.get(surroundings) ?? new Map<string, Sender>();
  senders.set(surroundings, mine);
  const known = mine.get(name);
  if (known) return known;
  const fresh = new Sender(place, name, () => {
    if (mine.get(name) === fresh) mine.delete(name);
  });
  mine.set(name, fresh);
  return fresh;
}
