// Whether the server of the listeners answers at all. Firestore's client takes most of a minute to notice that
// it doesn't, and what is on screen must not be called live meanwhile.
import type { Unsubscribe } from "../ports";

const EVERY_MS = 8_000;
const PATIENCE_MS = 4_000;
const AGAIN_MS = 1_500;

export interface ReachOptions {
  /** Any address of the server: that it answers counts, not what. */
  url: string;
  changed(isReached: boolean): void;
  ask?: (url: string, signal: AbortSignal) => Promise<unknown>;
}

const askBrowser = (url: string, signal: AbortSignal): Promise<unknown> =>
  fetch(url, {
    signal,
    mode: "no-cors",
    cache: "no-store",
    credentials: "omit",
    referrerPolicy: "no-referrer",
  });

/**
 * Asks again and again until it is stopped, sooner while nobody answers, and tells of each change. It takes it
 * that the server is reached at first; one lost answer is no change, two in a row are.
 */
export function watchReach({ url, changed, ask = askBrowser }: ReachOptions): Unsubscribe {
  let isReached = true;
  let lost = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;

  const look = async () => {
    const answered = await ask(url, AbortSignal.timeout(PATIENCE_MS)).then(
      () => true,
      () => false,
    );
    if (isOver) return;
    lost = answered ? 0 : lost + 1;
    const now = answered || (isReached && lost < 2);
    if (now !== isReached) {
      isReached = now;
      changed(isReached);
    }
    timer = setTimeout(look, lost > 0 ? AGAIN_MS : EVERY_MS);
  };
  timer = setTimeout(look, EVERY_MS);
  return () => {
    isOver = true;
    clearTimeout(timer);
  };
}
