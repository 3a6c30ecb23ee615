// What may be called again by itself. Pure.
import { isRecord } from "./failures";
import type { Endpoint } from "./types";

/** The answers after which the same call may do better; the last two are a proxy's. */
export const RETRIED = [409, 429, 503, 502, 504];

/** What changes nothing, however often it is called. Everything else is a write. */
const READS: ReadonlySet<Endpoint> = new Set<Endpoint>([
  "mini/config",
  "mini/patient/search",
  "mini/status",
  "sidecar/break-glass/list",
  "sidecar/chat/message",
  "sidecar/config",
  "sidecar/history",
  "sidecar/inbox",
  "sidecar/state",
]);

/** Whether a call that got no answer, and that may have been carried out, is made again. */
export const canRepeatUnanswered = (endpoint: Endpoint, isKeyed: boolean): boolean =>
  isKeyed || READS.has(endpoint);

/** Whether a call that was answered so is made again. `problem` is the body of the answer. */
export function canRepeat(
  endpoint: Endpoint,
  isKeyed: boolean,
  response: Pick<Response, "status" | "headers">,
  problem: unknown,
): boolean {
  const { status, headers } = response;
  // A lock that was not had in time says when to ask again; an item that somebody else claimed doesn't.
  if (status === 409) return isKeyed || headers.has("Retry-After");
  if (!RETRIED.includes(status)) return false;
  return canRepeatUnanswered(endpoint, isKeyed) || status === 429 || saysNothingWasChanged(problem);
}

/** The API promises it in so many words, but for a change that the database did not confirm. */
const saysNothingWasChanged = (problem: unknown): boolean =>
  isRecord(problem) && typeof problem.detail === "string" && problem.detail.includes("Nothing was changed");
