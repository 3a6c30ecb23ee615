// What Mini and Sidecar need of their surroundings. In a page of the extension calls and documents come by
// message (src/extension); on the demo page they come straight (src/demo).
import type { AnswerOf, Config, Endpoint, RequestOf } from "./api/types";
import type { PatientStateDocument, PresenceDocument, UserInboxDocument } from "./live/documents";

export interface CallOptions {
  /** Kept through every retry of the same Send. */
  idempotencyKey?: string;
}

/** The HTTP API. */
export interface Api {
  /** Retries what may be retried; rejects with ApiProblem (api/problem.ts), and with nothing else. */
  call<E extends Endpoint>(endpoint: E, body: RequestOf<E>, options?: CallOptions): Promise<AnswerOf<E>>;
}

/**
 * How far what is on screen can be trusted to be the newest: `refused` when the listener may not (or no longer)
 * read, `offline` when the machine has no network.
 */
export type Liveness = "connecting" | "live" | "reconnecting" | "offline" | "refused";

/** What a listener says: the document as last known, null when there is none; undefined: not known yet. */
export interface Heard<T> {
  liveness: Liveness;
  document: T | null | undefined;
}

export type Unsubscribe = () => void;

/** The documents that Firestore pushes. Whoever subscribes is told at once of what is known already. */
export interface Live {
  patientState(patientKey: string, hear: (heard: Heard<PatientStateDocument>) => void): Unsubscribe;
  userInbox(hear: (heard: Heard<UserInboxDocument>) => void): Unsubscribe;
  /** Whoever has this patient open now, without what has expired. */
  presence(patientKey: string, hear: (heard: Heard<PresenceDocument[]>) => void): Unsubscribe;
}

/** Texts that were begun and not sent, by user, patient and tab. They outlive a reload, never the browser. */
export interface Drafts {
  read(name: string): Promise<unknown>;
  /** undefined forgets it. */
  write(name: string, draft: unknown): Promise<void>;
}

/** A patient as a page names them, by a page adapter of the policy, or as a person picked them. */
export type Sighting =
  | { kind: "detected"; sourceSystem: string; externalId: string; pageSignature: string }
  | { kind: "picked"; patientKey: string };

/** Who is signed in. */
export type Session =
  | { state: "starting" }
  | { state: "signed_out" }
  /** Signed in, but nothing can be asked right now; `problem` is a sentence. */
  | { state: "unreachable"; problem: string }
  /** Signed in, but Mobius is not for them; `problem` is the API's sentence. */
  | { state: "refused"; problem: string }
  | { state: "signed_in"; config: Config };

/** What a surface is given. */
export interface Surroundings {
  api: Api;
  live: Live;
  drafts: Drafts;
  /** This instance's own name for its session: the same after a reload of the tab. */
  sessionId: string;
  /** The host name of the page beside which it shows; none in a panel that stands alone. */
  site?: string;
  applicationId?: string;
  /** Now, in milliseconds. */
  now(): number;
  /** Opens Sidecar for this patient; missing where there is none to open. */
  openSidecar?(patientKey: string | null): void;
  /** Leads to the sign-in. */
  signIn?(): void;
  /** Which patient the surface has come to show; null: none. */
  shows?(patientKey: string | null): void;
}

/** A surface that is drawn. */
export interface Mounted {
  become(session: Session): void;
  show(sighting: Sighting | null): void;
  unmount(): void;
}
