// Drives Mini: asks about the patient on the page, listens, keeps itself known as present, and heals.
import { ApiProblem } from "../api/problem";
import type { Config, RequestOf, Status } from "../api/types";
import type { PatientStateDocument } from "../live/documents";
import { livenessOf } from "../patient/shown";
import type { Heard, Session, Sighting, Surroundings, Unsubscribe } from "../ports";
import { othersOf, withAnswer, withHeard } from "./knowledge";
import { Pulse, type PulseOptions } from "./pulse";
import { type MiniState, NOTHING_KNOWN } from "./view";

type Kind = RequestOf<"mini/interaction">["kind"];

const UNKNOWN_TROUBLE = "Mobius can't be reached.";
const UNHEARD: Heard<PatientStateDocument> = { liveness: "connecting", document: undefined };

export interface MiniModelOptions extends PulseOptions {
  /** The address of the page. */
  address?: () => string;
}

export class MiniModel {
  state: MiniState = NOTHING_KNOWN;
  readonly #listeners = new Set<() => void>();
  readonly #pulse: Pulse;
  readonly #address: () => string;
  #page: Sighting | null = null;
  #picked: Sighting | null = null;
  /** The page's address when somebody was picked. */
  #pickedAt = "";
  #heard = UNHEARD;
  #document: PatientStateDocument | null = null;
  #listening: { patientKey: string; end: Unsubscribe } | null = null;
  #shows: string | null = null;
  /** Counts the patients: an answer about an earlier one changes nothing. */
  #turns = 0;
  #asked = 0;
  /** The latest call that was answered: the answer to one before it is old. */
  #taken = 0;
  /** The server was last told of an earlier patient. */
  #misled = false;
  #ended = false;

  constructor(
    private readonly surroundings: Surroundings,
    { address = () => "", ...options }: MiniModelOptions = {},
  ) {
    this.#pulse = new Pulse(() => this.#ask(), options);
    this.#address = address;
  }

  subscribe(listener: () => void): Unsubscribe {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  become(session: Session): void {
    const before = this.state;
    if (session.state !== "signed_in") {
      if (session.state === "signed_out") {
        this.#forget();
        this.#set({ ...NOTHING_KNOWN, session, ...this.#naming });
      } else {
        this.#set({ session });
      }
      return;
    }
    const { config } = session;
    const same = before.config?.user.user_id === config.user.user_id && !before.shutOut;
    // What one user saw is not shown to the next.
    if (!same || !config.policy.show_mini) this.#startOver({ session, config });
    else {
      this.#set({ session, config });
      const shownAgain = config.policy.show_mini && before.config?.policy.show_mini === false;
      if (before.session.state !== "signed_in" || shownAgain) this.refresh();
    }
  }

  /**
   * Somebody is on the page, or nobody. Whom a person picked by hand counts until the page names another, or goes
   * elsewhere (see `moved`).
   */
  show(sighting: Sighting | null): void {
    if (isSame(sighting, this.#page)) return;
    this.#page = sighting;
    this.#turn(null);
  }

  pick(patientKey: string): void {
    this.#pickedAt = this.#address();
    this.#turn({ kind: "picked", patientKey });
  }

  backToPage(): void {
    this.#turn(null);
  }

  /**
   * The page may have another address now: then it may show another record, though nobody can tell whose, and whom
   * a person picked is not shown beside it. Whether it was so.
   */
  moved(): boolean {
    const isLeft = this.#picked !== null && this.#address() !== this.#pickedAt;
    if (isLeft) this.#turn(null);
    return isLeft;
  }

  /** Asks again now: a tab that shows again, a network that is back, a Send that was stored. */
  refresh(): void {
    this.#pulse.now();
  }

  /** The minimized Mini was opened. */
  opened(): void {
    this.#tell("opened", this.state.known?.patientKey ?? null);
  }

  close(): void {
    this.#tell("closed", null);
    this.#forget();
    this.#set({ closed: true });
  }

  end(): void {
    this.#ended = true;
    this.#forget();
    this.#listeners.clear();
  }

  get #subject(): Sighting | null {
    return this.#picked ?? this.#page;
  }

  get #naming(): Pick<MiniState, "named" | "picked" | "pageNames"> {
    return { named: this.#subject !== null, picked: this.#picked !== null, pageNames: this.#page !== null };
  }

  #turn(picked: Sighting | null): void {
    const left = this.state.known?.patientKey ?? null;
    this.#picked = picked;
    const next = this.#subject;
    if (left !== null && !(next?.kind === "picked" && next.patientKey === left)) {
      this.#tell(next === null ? "navigated" : "switched", left);
    }
    const { session, config, hidden } = this.state;
    this.#startOver({ session, config, hidden });
  }

  #startOver(change: Partial<MiniState>): void {
    this.#forget();
    this.#set({ ...NOTHING_KNOWN, ...change, ...this.#naming });
    if (!this.state.config?.policy.show_mini) return;
    // A page that is only just there names somebody in a moment, most often.
    if (this.state.named) this.#pulse.now();
    else this.#pulse.soon();
  }

  /** Lets go of the patient: what is still on its way about them changes nothing any more. */
  #forget(): void {
    this.#turns += 1;
    this.#pulse.rest();
    this.#listening?.end();
    this.#listening = null;
    this.#document = null;
    this.#heard = UNHEARD;
  }

  async #ask(): Promise<void> {
    // Perhaps no event told of it; whoever shows then is asked for already.
    if (this.#ended || this.moved()) return;
    const { config, closed, shutOut } = this.state;
    if (config === null || closed || shutOut || !config.policy.show_mini) return;
    this.#asked += 1;
    const [turn, mine] = [this.#turns, this.#asked];
    const answer = await this.#call().catch((error: unknown) => error);
    if (this.#ended) return;
    if (turn !== this.#turns) this.#misled ||= this.#taken > mine;
    else if (mine > this.#taken) {
      this.#taken = mine;
      if (isStatus(answer)) this.#take(answer, config);
      else this.#fail(answer);
    }
    if (this.#misled && this.#taken === this.#asked) {
      this.#misled = false;
      this.#pulse.soon();
    }
  }

  #call(): Promise<Status> {
    const { api, sessionId, site, applicationId } = this.surroundings;
    const subject = this.#subject;
    return api.call("mini/status", {
      session_id: sessionId,
      ...(site !== undefined && { site }),
      ...(applicationId !== undefined && { application_id: applicationId }),
      ...(subject?.kind === "picked" && { patient_key: subject.patientKey }),
      ...(subject?.kind === "detected" && {
        detection: { source_system: subject.sourceSystem, external_id: subject.externalId },
        page_signature: subject.pageSignature,
      }),
    });
  }

  #take(status: Status, config: Config): void {
    const hidden = !status.policy.show_mini;
    const known = hidden ? null : withAnswer(this.state.known, this.#document, status, config);
    this.#set({ known, hidden, answered: true, problem: null, liveness: livenessOf(this.#heard, known) });
    this.#listen(known?.patientKey ?? null);
    if (this.state.named || hidden) this.#pulse.later(config, known?.proceed === "blue" ? "blue" : "well");
  }

  #fail(error: unknown): void {
    const status = error instanceof ApiProblem ? error.status : 0;
    const { config } = this.state;
    if (status === 401) {
      this.#forget();
      this.#set({ known: null, shutOut: true });
    } else if (status === 403) {
      this.#forget();
      this.#set({ known: null, hidden: true });
      if (config) this.#pulse.later(config, "refused");
    } else if (status === 422) {
      // The page names somebody in a way that the policy does not take: nobody we know.
      this.#set({ known: null, answered: true, problem: null });
    } else {
      this.#set({ problem: error instanceof ApiProblem ? error.problem.detail : UNKNOWN_TROUBLE });
      if (config) this.#pulse.later(config, "failing");
    }
  }

  #listen(patientKey: string | null): void {
    if (this.#listening?.patientKey === patientKey) return;
    this.#listening?.end();
    this.#listening = null;
    if (patientKey === null) return;
    const { live } = this.surroundings;
    let ended = false;
    const listening = { patientKey, end: () => {} };
    this.#listening = listening;
    const ends = [
      live.patientState(patientKey, (heard) => !ended && this.#hear(heard)),
      live.presence(patientKey, ({ document }) => {
        const me = this.state.config?.user.user_id;
        if (!ended && document && me) this.#set({ others: othersOf(document, me) });
      }),
    ];
    listening.end = () => {
      ended = true;
      for (const end of ends) end();
    };
  }

  #hear(heard: Heard<PatientStateDocument>): void {
    this.#heard = heard;
    const { document } = heard;
    const { known: before, config } = this.state;
    let [known, askAgain] = [before, false];
    if (document && before !== null && config !== null) {
      if (document.version >= (this.#document?.version ?? 0)) this.#document = document;
      ({ known, askAgain } = withHeard(before, document, config));
    }
    const liveness = livenessOf(heard, known);
    // Perhaps the user may not come in any more: the API knows.
    if (liveness === "refused" && this.state.liveness !== "refused") askAgain = true;
    const lastHeard = liveness === "live" ? this.surroundings.now() : this.state.lastHeard;
    this.#set({ known, liveness, lastHeard });
    if (askAgain) this.#pulse.soon();
  }

  #tell(kind: Kind, patientKey: string | null): void {
    const { api, sessionId, site, applicationId } = this.surroundings;
    const body = {
      session_id: sessionId,
      kind,
      patient_key: patientKey,
      ...(site !== undefined && { site }),
      ...(applicationId !== undefined && { application_id: applicationId }),
    };
    // It commits nothing: lost, it is lost.
    api.call("mini/interaction", body).catch(() => undefined);
  }

  #set(change: Partial<MiniState>): void {
    if (this.#ended) return;
    this.state = { ...this.state, ...change };
    const shows = this.state.known?.patientKey ?? null;
    if (shows !== this.#shows) {
      this.#shows = shows;
      this.surroundings.shows?.(shows);
    }
    for (const listener of [...this.#listeners]) listener();
  }
}

function isStatus(answer: unknown): answer is Status {
  return typeof answer === "object" && answer !== null && !(answer instanceof Error) && "patient" in answer;
}

function isSame(one: Sighting | null, other: Sighting | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
