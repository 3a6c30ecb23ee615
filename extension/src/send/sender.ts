// One patient's draft and its Send on one surface: outlives the form that draws it, so that a patient who comes
// back finds a Send that is still under way, and nobody presses it twice.
import type { Config } from "../api/types";
import type { Surroundings, Unsubscribe } from "../ports";
import type { Answered, Chosen, Content, Draft } from "./draft";
import { answeredBy, changed, contentOf, EMPTY, isDirty, isUntried, lacksOf, refused, tried } from "./draft";
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

  /** Sends what the draft says, if it may; once, however often it is pressed. The receipt when it was stored. */
  async send(seen: Answered): Promise<Receipt | null> {
    const { draft, sending } = this.state;
    const answered = answeredBy(draft, seen);
    const content = contentOf(draft, answered, this.place.config.permissions.override);
    if (sending || lacksOf(content).length > 0) return null;
    const attempted = tried(draft, answered, newKey);
    this.#become({ draft: attempted, sending: true, refusal: null, receipt: null });
    this.#keep();
    const receipt = await this.#call(content, attempted.attempt.key).catch((error: unknown) => {
      const refusal = refusalOf(error);
      this.#become({ draft: refusal.passing ? attempted : refused(attempted), sending: false, refusal });
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
    this.#become({ draft, refusal: isUntried(draft) ? null : LEFT_UNDER_WAY });
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
 * The sender of this patient's Send on this surface. A draft belongs to who wrote it: on a shared computer the
 * next user finds none of it.
 */
export function senderOf(place: Place): Sender {
  const { surroundings, surface, config, patientKey } = place;
  const name = `${surface}:${config.user.user_id}:${patientKey}`;
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
