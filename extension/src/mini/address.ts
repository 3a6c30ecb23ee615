// Watches the address of a page that changes it without ever loading.
import type { Unsubscribe } from "../ports";

const EVENTS = ["popstate", "hashchange"] as const;

/** Calls `changed` whenever the address may have changed. */
export function watchAddress(changed: () => void): Unsubscribe {
  // Chromium's navigation tells of every change of the address, pushState among them.
  const { navigation } = globalThis as { navigation?: EventTarget };
  navigation?.addEventListener("currententrychange", changed);
  for (const event of EVENTS) addEventListener(event, changed);
  return () => {
    navigation?.removeEventListener("currententrychange", changed);
    for (const event of EVENTS) removeEventListener(event, changed);
  };
}
