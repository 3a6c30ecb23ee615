// One patient as Sidecar knows them, from opening to leaving: what the API told, what the document said since, and
// who else looks. Once it has ended, no answer that was still under way changes anything.
import type { ApiProblem } from "../api/problem";
import type { AnswerOf, Config, HistoryEvent, OutcomeKind, RequestOf, SidecarState } from "../api/types";
import type { PatientStateDocument, PresenceDocument } from "../live/documents";
import { fromState, isOtherSnapshot, livenessOf, type Shown, withDocument } from "../patient/shown";
import type { Heard, Liveness, Surroundings, Unsubscribe } from "../ports";
import { type Asking, createAsking, refreshMs, type Visible, type Went } from "./asking";
import { isWorthRetrying, problemOf } from "./problems";
import { createStore, type Store } from "./store";
import { joined } from "./timeline";

/** `locked`: the role has no Sidecar, and the glass is whole. `refused`: this user may not see it any more. */
export type Phase = "loading" | "shown" | "unknown" | "locked" | "refused" | "failed";

export interface PatientView {
  phase: Phase;
  shown: Shown | null;
  /** Why the last question did no good; what was known before stays. */
  problem: ApiProblem | null;
  liveness: Liveness;
  /** When what shows was last known to be the newest, in milliseconds. */
  lastHeard: number | null;
  /** Until when the user sees all of this patient, having broken the glass. */
  glassUntil: number | null;
  /** The newest first. */
  history: readonly HistoryEvent[];
  /** Whether there may be older events than these. */
  hasOlder: boolean;
  isLoadingOlder: boolean;
  olderProblem: ApiProblem | null;
  here: readonly PresenceDocument[];
  isHereKnown: boolean;
}

export interface Patient {
  readonly patientKey: string;
  readonly store: Store<PatientView>;
  refresh(): void;
  loadOlder(): Promise<void>;
  /** What became of the response. Rejects with ApiProblem. */
  dismiss(reason: RequestOf<"sidecar/dismiss">["reason"], responseId: string | null): Promise<OutcomeKind>;
  /** Rejects with ApiProblem. */
  breakGlass(reason: RequestOf<"sidecar/break-glass">["reason"], explanation: string): Promise<void>;
  end(): void;
}

export interface Given {
  surroundings: Surroundings;
  config: Config;
  patientKey: string;
  visible: Visible;
  /** Called with each answer that counts. */
  onAnswer(answer: SidecarState): void;
  onPresence(here: readonly PresenceDocument[]): void;
  /** An answer came when the patient had been left already: to the server, this tab may show them again. */
  onLateAnswer(): void;
}

const FIRST: PatientView = {
  phase: "loading",
  shown: null,
  problem: null,
  liveness: "connecting",
  lastHeard: null,
  glassUntil: null,
  history: [],
  hasOlder: false,
  isLoadingOlder: false,
  olderProblem: null,
  here: [],
  isHereKnown: false,
};

const UNHEARD: Heard<PatientStateDocument> = { liveness: "connecting", document: undefined };

/** So many events come with the state. */
const NEWEST = 10;
const OLDER = 30;

export function openPatient(given: Given): Patient {
  const { surroundings, config, patientKey, visible } = given;
  const { api, live, sessionId: session_id, now } = surroundings;
  const store = createStore<PatientView>(FIRST);
  let document: PatientStateDocument | null = null;
  let lastSaid: Heard<PatientStateDocument> = UNHEARD;
  let cursor: string | null = null;
  let isOver = false;
  let glassTimer: ReturnType<typeof setTimeout> | undefined;
  let stops: Unsubscribe[] = [];

  async function ask(): Promise<Went> {
    try {
      const answer = await api.call("sidecar/state", { session_id, patient_key: patientKey });
      if (!isOver) return take(answer);
      given.onLateAnswer();
    } catch (error) {
      if (!isOver) return fail(problemOf(error));
    }
    return "stop";
  }

  function take(answer: SidecarState): Went {
    const { shown: known, history: events, glassUntil: saw } = store.get();
    const told = fromState(answer, config);
    // The document was faster than this answer, which is about an older version: it is asked for once more.
    if (told && known && told.version < known.version) return "again";
    const until = answer.policy.glass_broken_until;
    // Behind broken glass the events carry more: the two sights of one timeline are not mixed.
    const history = (saw === null) === (until === null) ? events : [];
    const shown = told && document ? withDocument(told, document, config) : told;
    const next = joined(answer.history, history);
    if (next === null || history.length === 0) cursor = null;
    store.set({
      phase: told ? "shown" : "unknown",
      shown,
      liveness: livenessOf(lastSaid, shown),
      problem: null,
      lastHeard: now(),
      glassUntil: until === null ? null : Date.parse(until),
      history: next ?? answer.history,
      hasOlder:
        next === null || history.length === 0 ? answer.history.length >= NEWEST : store.get().hasOlder,
    });
    clearTimeout(glassTimer);
    const { glassUntil } = store.get();
    // From then on the role sees again only what the policy lets it see.
    if (glassUntil !== null) glassTimer = setTimeout(asking.now, Math.max(glassUntil - now(), 0) + 500);
    listen();
    given.onAnswer(answer);
    return "well";
  }

  function fail(problem: ApiProblem): Went {
    if (problem.status === 401 || problem.status === 403) {
      // Who may not see it sees nothing of it any more, and hears nothing.
      for (const stop of stops.splice(0)) stop();
      document = null;
      lastSaid = UNHEARD;
      cursor = null;
      const isLocked = problem.status === 403 && !config.permissions.sidecar;
      store.set({ ...FIRST, phase: isLocked ? "locked" : "refused", problem });
      return "stop";
    }
    store.set({ problem, phase: store.get().phase === "loading" ? "failed" : store.get().phase });
    return isWorthRetrying(problem) ? "again" : "stop";
  }

  function hearState(heard: Heard<PatientStateDocument>): void {
    const { liveness: was, lastHeard, shown: before, phase, problem } = store.get();
    lastSaid = heard;
    const { document: said } = heard;
    const news = said && said.version >= (document?.version ?? 0) ? said : null;
    if (news) document = news;
    const shown = news && before ? withDocument(before, news, config) : before;
    const liveness = livenessOf(heard, shown);
    const isLive = liveness === "live";
    store.set({ shown, liveness, lastHeard: isLive || was === "live" ? now() : lastHeard });
    if (was !== liveness && (liveness === "refused" || (isLive && problem))) asking.soon();
    if (news === null) return;
    const isAwaited = before === null && (phase === "unknown" || phase === "failed");
    const isNews = before !== null && (news.version > before.version || isOtherSnapshot(before, news));
    if (isAwaited || isNews) asking.soon();
  }

  function listen(): void {
    if (stops.length > 0 || isOver) return;
    stops = [
      live.patientState(patientKey, hearState),
      live.presence(patientKey, ({ document: here }) => {
        store.set({ here: here ?? [], isHereKnown: Array.isArray(here) });
        given.onPresence(here ?? []);
      }),
    ];
  }

  async function loadOlder(): Promise<void> {
    if (store.get().isLoadingOlder || isOver) return;
    store.set({ isLoadingOlder: true, olderProblem: null });
    const from = cursor;
    try {
      const body = { session_id, patient_key: patientKey, limit: OLDER, cursor: from };
      const page: AnswerOf<"sidecar/history"> = await api.call("sidecar/history", body);
      // A gap was found meanwhile, and the timeline begins anew: what is older than that gap doesn't join.
      if (isOver || cursor !== from) return;
      const { history } = store.get();
      cursor = page.next_cursor;
      // Without a cursor the page begins at the top, where something may have happened before or after it was read.
      const whole =
        from === null
          ? (joined(page.events, history) ?? joined(history, page.events) ?? page.events)
          : [...history, ...page.events];
      store.set({ history: whole, hasOlder: page.has_more });
    } catch (error) {
      store.set({ olderProblem: problemOf(error) });
    } finally {
      store.set({ isLoadingOlder: false });
    }
  }

  const asking: Asking = createAsking(ask, refreshMs(config.timers.presence_s), visible);
  if (config.permissions.sidecar) {
    listen();
    asking.now();
  } else {
    // A refusal would go to the ledger as an attempt, and opening the panel is none.
    store.set({ phase: "locked" });
  }

  return {
    patientKey,
    store,
    refresh: asking.now,
    loadOlder,
    async dismiss(reason, responseId) {
      const body = { session_id, patient_key: patientKey, reason, system_response_id: responseId };
      const { outcome } = await api.call("sidecar/dismiss", body);
      asking.now();
      return outcome;
    },
    async breakGlass(reason, explanation) {
      await api.call("sidecar/break-glass", { session_id, patient_key: patientKey, reason, explanation });
      cursor = null;
      // Notes that were kept from the role are in the events that come now.
      store.set({ history: [] });
      asking.now();
    },
    end() {
      isOver = true;
      asking.end();
      clearTimeout(glassTimer);
      for (const stop of stops.splice(0)) stop();
    },
  };
}
