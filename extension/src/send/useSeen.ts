import { useEffect, useState } from "preact/hooks";
import type { Answered } from "./draft";

/** How long something new has to stand on the screen, without a break, before a press of Send is taken for an answer to it. */
export const SEEN_AFTER_MS = 1000;

/**
 * The newest response that the user had time to see. While nothing was begun it is what shows; once something
 * is, what is new counts a moment later: a press that was on its way answers what it was meant for. A moment
 * `onScreen`: nobody sees what stands in a hidden tab or a minimized Mini.
 */
export function useSeen(showing: Answered, begun: boolean, onScreen: boolean): Answered {
  const [seen, setSeen] = useState(showing);
  const { responseId, proceed } = showing;
  const isNew = seen.responseId !== responseId || seen.proceed !== proceed;
  const wait = begun ? SEEN_AFTER_MS : 0;

  useEffect(() => {
    if (!isNew || !onScreen) return;
    const timer = setTimeout(() => setSeen({ responseId, proceed }), wait);
    return () => clearTimeout(timer);
  }, [isNew, onScreen, responseId, proceed, wait]);

  return isNew && !begun ? { responseId, proceed } : seen;
}
