// What goes over the port between a surface and the offscreen document.
import type { Heard } from "../ports";

export const PORT = "live";

export type What = "patient_state" | "user_inbox" | "presence";

/** To the offscreen document. `id` is the subscriber's own. */
export type Wish =
  | { type: "subscribe"; id: number; what: What; key: string }
  | { type: "unsubscribe"; id: number };

/** From it. */
export interface Word {
  id: number;
  heard: Heard<unknown>;
}

const KEY = /^[A-Za-z0-9_-]{8,64}$/;
const MOST_SUBSCRIPTIONS = 64;

/** Whether this may be wished for: a patient by key, or the own inbox, which is named by nothing. */
export function isAllowed(wish: Wish, subscriptions: number): boolean {
  if (wish.type !== "subscribe") return true;
  if (subscriptions >= MOST_SUBSCRIPTIONS) return false;
  if (wish.what === "user_inbox") return wish.key === "";
  return (wish.what === "patient_state" || wish.what === "presence") && KEY.test(wish.key);
}
