// Watches a page for the patient whom it shows, whatever the page does: a single-page application changes its
// document and its address without ever loading.
import type { PageAdapter } from "../api/types";
import { adaptersFor, type Detected, detect, isSame } from "./detection";

// A page that changes all the time is looked at this often and no more.
const PAUSE_MS = 200;
// A change seldom comes alone: the rest of it is waited for.
const SETTLE_MS = 30;
// What no event tells of: a value that a script sets, a style sheet that hides something.
const HEARTBEAT_MS = 2_000;
const EVENTS = [
  "popstate",
  "hashchange",
  "pageshow",
  "visibilitychange",
  "input",
  "change",
  "transitionend",
  "animationend",
] as const;

/**
 * Tells at once which patient the page shows, then whenever that changes; null: none, or none that is certain.
 * Returns what ends it.
 */
export function watchPage(
  adapters: readonly PageAdapter[],
  onSighting: (sighting: Detected | null) => void,
): () => void {
  const meant = adaptersFor(location.hostname, adapters);
  let last: Detected | null | undefined;
  let lookedAt = Number.NEGATIVE_INFINITY;
  let waiting: ReturnType<typeof setTimeout> | undefined;

  const observer = new MutationObserver(lookSoon);

  function look(): void {
    waiting = undefined;
    lookedAt = performance.now();
    // Observing starts before looking: nothing that changes in between is missed.
    observer.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
    const seen = detect(document, location, meant);
    if (last !== undefined && isSame(seen, last)) return;
    last = seen;
    onSighting(seen);
  }

  function lookSoon(): void {
    if (waiting !== undefined) return;
    // Nobody observes until the next look: a busy page then costs what a quiet one does.
    observer.disconnect();
    waiting = setTimeout(look, Math.max(SETTLE_MS, lookedAt + PAUSE_MS - performance.now()));
  }

  if (meant.length === 0) {
    onSighting(null);
    return () => {};
  }
  // Chromium's navigation tells of every change of the address, pushState among them.
  const { navigation } = globalThis as { navigation?: EventTarget };
  const heartbeat = setInterval(() => document.visibilityState === "visible" && lookSoon(), HEARTBEAT_MS);
  navigation?.addEventListener("currententrychange", lookSoon);
  for (const event of EVENTS) addEventListener(event, lookSoon, { capture: true, passive: true });
  look();

  return () => {
    clearTimeout(waiting);
    clearInterval(heartbeat);
    observer.disconnect();
    navigation?.removeEventListener("currententrychange", lookSoon);
    for (const event of EVENTS) removeEventListener(event, lookSoon, { capture: true });
  };
}
