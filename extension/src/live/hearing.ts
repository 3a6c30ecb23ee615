// What subscribers are told once a listener said something. Pure: Firestore is in listener.ts.
import type { Heard, Liveness } from "../ports";

/** What a listener said: the document, null when there is none. */
export interface Told<T> {
  document: T | null;
  /** It is what the cache holds, not what the server confirmed. */
  fromCache: boolean;
}

/**
 * Which version of the document was handed on last, 0 for none: nothing older is ever handed on. Documents
 * without versions have no guard.
 */
export interface Guard<T> {
  versionOf(document: T): number;
  floor: number;
}

/** How it stands while no server confirms anything. */
export function waiting(last: Heard<unknown>, isOnline: boolean): Liveness {
  if (!isOnline) return "offline";
  return last.document === undefined ? "connecting" : "reconnecting";
}

/**
 * What is told after `told`. An empty cache, a server that lost its documents and one that is behind take
 * nothing off the screen: then what is there is just not called live.
 */
export function afterTold<T>(last: Heard<T>, told: Told<T>, isOnline: boolean, guard?: Guard<T>): Heard<T> {
  const held: Heard<T> = { document: last.document, liveness: waiting(last, isOnline) };
  const { document, fromCache } = told;
  if (document === null) return fromCache || isKnown(last, guard) ? held : { document, liveness: "live" };
  if (guard) {
    const version = guard.versionOf(document);
    if (version < guard.floor) return isOnline ? { ...held, liveness: "reconnecting" } : held;
    guard.floor = version;
  }
  return { document, liveness: fromCache ? waiting({ ...last, document }, isOnline) : "live" };
}

const isKnown = <T>(last: Heard<T>, guard: Guard<T> | undefined): boolean =>
  guard !== undefined && (guard.floor > 0 || Boolean(last.document));

/** What is told after the listener broke off: who may not read is left nothing to read. */
export function afterError<T>(last: Heard<T>, code: string, isOnline: boolean): Heard<T> {
  if (code === "permission-denied" || code === "unauthenticated") {
    return { document: undefined, liveness: "refused" };
  }
  return { document: last.document, liveness: waiting(last, isOnline) };
}
