// The open items of the signed-in user: theirs and their role's, the oldest first. An item names no patient; opening
// it does, and that look is told to the ledger like any other.
import type { ApiProblem } from "../api/problem";
import type { Assignment, Config } from "../api/types";
import type { UserInboxDocument } from "../live/documents";
import type { Heard, Liveness, Surroundings } from "../ports";
import { createAsking, refreshMs, type Visible, type Went } from "./asking";
import { isWorthRetrying, problemOf } from "./problems";
import { createStore, type Store } from "./store";

/** How a claim stands: under way, or lost to somebody who was faster, or why it did not work. */
export type Claim = { is: "under_way" } | { is: "taken" } | { is: "failed"; sentence: string };

export interface InboxView {
  isKnown: boolean;
  items: readonly Assignment[];
  /** Of all pages. */
  openCount: number;
  cursor: string | null;
  isLoadingMore: boolean;
  problem: ApiProblem | null;
  liveness: Liveness;
  lastHeard: number | null;
  claims: Readonly<Record<string, Claim>>;
}

export interface Inbox {
  readonly store: Store<InboxView>;
  refresh(): void;
  soon(): void;
  loadMore(): Promise<void>;
  /** Says how it went by `claims` and `items`; true when the item is the user's now. */
  claim(assignmentId: string, takeOver: boolean): Promise<boolean>;
  end(): void;
}

const PAGE = 20;
const LARGEST = 100;

export function openInbox(surroundings: Surroundings, config: Config, visible: Visible): Inbox {
  const { api, live, sessionId: session_id, now } = surroundings;
  const store = createStore<InboxView>({
    isKnown: false,
    items: [],
    openCount: 0,
    cursor: null,
    isLoadingMore: false,
    problem: null,
    liveness: "connecting",
    lastHeard: null,
    claims: {},
  });
  let document: UserInboxDocument | null = null;
  let isNewer = false;
  let isOver = false;

  async function ask(): Promise<Went> {
    isNewer = false;
    try {
      // As many as are on screen, so that a refresh takes nothing away from under somebody's pointer.
      const limit = Math.min(Math.max(store.get().items.length, PAGE), LARGEST);
      const answer = await api.call("sidecar/inbox", { session_id, limit });
      if (isOver) return "stop";
      const known = new Set(answer.assignments.map((each) => each.assignment_id));
      const claims = Object.fromEntries(Object.entries(store.get().claims).filter(([id]) => known.has(id)));
      store.set({
        isKnown: true,
        items: answer.assignments,
        openCount: answer.open_count,
        cursor: answer.next_cursor,
        problem: null,
        lastHeard: now(),
        claims,
      });
      // What was heard while the question was under way may be newer than its answer.
      if (isNewer && document && differs(document, store.get())) asking.soon();
      return "well";
    } catch (error) {
      if (isOver) return "stop";
      const problem = problemOf(error);
      store.set({ problem });
      return isWorthRetrying(problem) ? "again" : "stop";
    }
  }

  function hear(heard: Heard<UserInboxDocument>): void {
    const { liveness: was, lastHeard, isKnown, problem } = store.get();
    const isLive = heard.liveness === "live";
    store.set({ liveness: heard.liveness, lastHeard: isLive || was === "live" ? now() : lastHeard });
    if (isLive && was !== "live" && problem) asking.soon();
    if (!heard.document) return;
    document = heard.document;
    isNewer = true;
    if (isKnown && differs(document, store.get())) asking.soon();
  }

  async function loadMore(): Promise<void> {
    const { cursor, isLoadingMore } = store.get();
    if (isLoadingMore || cursor === null) return;
    store.set({ isLoadingMore: true, problem: null });
    try {
      const page = await api.call("sidecar/inbox", { session_id, limit: PAGE, cursor });
      // A refresh came between: its list has its own end.
      if (isOver || store.get().cursor !== cursor) return;
      const { items } = store.get();
      const known = new Set(items.map((each) => each.assignment_id));
      const added = page.assignments.filter((each) => !known.has(each.assignment_id));
      store.set({ items: [...items, ...added], openCount: page.open_count, cursor: page.next_cursor });
    } catch (error) {
      store.set({ problem: problemOf(error) });
    } finally {
      store.set({ isLoadingMore: false });
    }
  }

  const setClaim = (id: string, claim: Claim | null): void => {
    const { [id]: _, ...others } = store.get().claims;
    store.set({ claims: claim ? { ...others, [id]: claim } : others });
  };

  async function claim(id: string, takeOver: boolean): Promise<boolean> {
    if (store.get().claims[id]?.is === "under_way") return false;
    setClaim(id, { is: "under_way" });
    try {
      const body = { session_id, assignment_id: id, take_over: takeOver };
      const { assignment } = await api.call("sidecar/assignment/claim", body);
      if (isOver) return false;
      setClaim(id, null);
      store.set({ items: store.get().items.map((each) => (each.assignment_id === id ? assignment : each)) });
      return true;
    } catch (error) {
      if (isOver) return false;
      const { status, message, problem } = problemOf(error);
      const isTaken = status === 409 && !takeOver && problem.title === "Already claimed";
      setClaim(id, isTaken ? { is: "taken" } : { is: "failed", sentence: message });
      // Whoever was faster, or that the item is gone: the list says it.
      asking.now();
      return false;
    }
  }

  const asking = createAsking(ask, refreshMs(config.timers.presence_s), visible);
  const stop = live.userInbox(hear);
  asking.now();

  return {
    store,
    refresh: asking.now,
    soon: asking.soon,
    loadMore,
    claim,
    end() {
      isOver = true;
      asking.end();
      stop();
    },
  };
}

/** Whether the document says something else than the list: it holds only the oldest items, but counts them all. */
export function differs(document: UserInboxDocument, known: Pick<InboxView, "items" | "openCount">): boolean {
  if (document.open_count !== known.openCount) return true;
  return known.items.slice(0, document.open_assignments.length).some((item, place) => {
    const said = document.open_assignments[place];
    return said?.assignment_id !== item.assignment_id || said.claimed_by !== item.claimed_by;
  });
}
