// What Mini draws, as one of its states. Pure.
import type { Config } from "../api/types";
import type { Shown } from "../patient/shown";
import type { Liveness, Session } from "../ports";

/** Everything that Mini knows. */
export interface MiniState {
  session: Session;
  /** Of whoever is signed in; kept while they can't be reached. */
  config: Config | null;
  /** Whether somebody is named, by the page or by hand. */
  named: boolean;
  /** Whether they were named by hand. */
  picked: boolean;
  /** Whether the page names somebody. */
  pageNames: boolean;
  /** Whether the API has answered about them. */
  answered: boolean;
  known: Shown | null;
  /** The policy hides Mini here, or the user may not use it. */
  hidden: boolean;
  /** The user closed it, until another patient comes. */
  closed: boolean;
  /** The token was refused. */
  shutOut: boolean;
  /** Why the API can't be asked right now, as a sentence. */
  problem: string | null;
  liveness: Liveness;
  /** Milliseconds. */
  lastHeard: number | null;
  others: readonly string[];
}

export const NOTHING_KNOWN: MiniState = {
  session: { state: "starting" },
  config: null,
  named: false,
  picked: false,
  pageNames: false,
  answered: false,
  known: null,
  hidden: false,
  closed: false,
  shutOut: false,
  problem: null,
  liveness: "connecting",
  lastHeard: null,
  others: [],
};

export type MiniView =
  /** Nothing at all. */
  | { kind: "hidden" }
  | { kind: "signed_out" }
  | { kind: "loading" }
  /** Nobody is on the page: search. */
  | { kind: "no_patient"; config: Config }
  /** Somebody is, whom Mobius doesn't know. */
  | { kind: "unknown"; config: Config }
  /** The system can't tell, and nothing is known that could be shown instead. */
  | { kind: "blue"; text: string; problem: string }
  | { kind: "patient"; config: Config; shown: Shown; picked: boolean };

// When even the policy's words for blue never came.
const NO_WORDS = "Mobius can't tell right now";

export function viewOf(state: MiniState): MiniView {
  const { session, config, known, problem } = state;
  if (session.state === "signed_out" || state.shutOut) return { kind: "signed_out" };
  if (state.hidden || state.closed) return { kind: "hidden" };
  if (config === null) {
    if (session.state === "unreachable") return { kind: "blue", text: NO_WORDS, problem: session.problem };
    // Whether the policy shows Mini here is not known yet.
    return { kind: "hidden" };
  }
  if (!config.policy.show_mini) return { kind: "hidden" };
  if (!state.named) return { kind: "no_patient", config };
  if (known !== null) return { kind: "patient", config, shown: known, picked: state.picked };
  if (state.answered) return { kind: "unknown", config };
  const trouble = session.state === "unreachable" ? session.problem : problem;
  if (trouble === null) return { kind: "loading" };
  return { kind: "blue", text: config.texts.proceed.blue ?? NO_WORDS, problem: trouble };
}

/** What a live region says of it: it changes only with what it says. */
export function spokenOf(view: MiniView): string {
  switch (view.kind) {
    case "patient": {
      const { shown } = view;
      return [shown.name, shown.proceedText, shown.tasking].filter(Boolean).join(". ");
    }
    case "unknown":
      return "This patient is not known to Mobius.";
    case "blue":
      return view.text;
    case "signed_out":
      return "You are signed out of Mobius.";
    default:
      return "";
  }
}
