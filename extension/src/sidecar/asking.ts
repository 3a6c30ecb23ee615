// When to ask anew: soon after a change, every so often while somebody can see it, and later and later while it
// does no good. Never two questions at once, so that answers can't overtake one another.
import type { Unsubscribe } from "../ports";

const SOON_MS = 400;
const JITTER_MS = 200;
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 60_000;

/** `well`: as asked for. `again`: it may do better later. `stop`: it won't, until somebody asks for it. */
export type Went = "well" | "again" | "stop";

export interface Asking {
  now(): void;
  /** Several changes in a row are one question; the jitter keeps the panels of a clinic apart. */
  soon(): void;
  end(): void;
}

/** Whether anybody can see the panel. */
export interface Visible {
  is(): boolean;
  subscribe(hear: () => void): Unsubscribe;
}

export const documentVisible: Visible = {
  is: () => document.visibilityState !== "hidden",
  subscribe(hear) {
    document.addEventListener("visibilitychange", hear);
    return () => document.removeEventListener("visibilitychange", hear);
  },
};

export function createAsking(ask: () => Promise<Went>, everyMs: number, visible: Visible): Asking {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let due = Number.POSITIVE_INFINITY;
  let isRunning = false;
  let isWanted = false;
  let isOver = false;
  let failures = 0;

  async function run(): Promise<void> {
    clearTimeout(timer);
    due = Number.POSITIVE_INFINITY;
    if (isRunning || isOver) {
      isWanted = isRunning;
      return;
    }
    isRunning = true;
    const went = await ask();
    isRunning = false;
    if (isOver) return;
    failures = went === "again" ? failures + 1 : 0;
    if (isWanted) {
      isWanted = false;
      within(soonMs());
    } else if (went === "again") {
      within(Math.min(FIRST_RETRY_MS * 2 ** (failures - 1), LAST_RETRY_MS) * (0.75 + Math.random() / 2));
    } else if (went === "well") {
      within(everyMs * (0.9 + Math.random() / 10));
    }
  }

  function within(ms: number): void {
    const at = Date.now() + ms;
    if (isOver || at >= due) return;
    clearTimeout(timer);
    due = at;
    timer = setTimeout(() => {
      // Nobody sees it: the question waits until somebody does.
      if (visible.is()) void run();
    }, ms);
  }

  const stopWatching = visible.subscribe(() => {
    if (visible.is() && Date.now() >= due) void run();
  });

  return {
    now: () => void run(),
    soon() {
      if (isRunning) isWanted = true;
      else within(soonMs());
    },
    end() {
      isOver = true;
      clearTimeout(timer);
      stopWatching();
    },
  };
}

const soonMs = (): number => SOON_MS + Math.random() * JITTER_MS;

/** How often a surface says "still there", which policy's `presence_s` wants well within. */
export const refreshMs = (presenceSeconds: number): number =>
  Math.min(Math.max(presenceSeconds / 2, 5), 60) * 1000;
