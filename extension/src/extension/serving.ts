// The offscreen document's side of a port: passes on what the listeners hear. Knows nothing of Firestore.
import type { Heard, Live, Unsubscribe } from "../ports";
import { isAllowed, type What, type Wish, type Word } from "./live_protocol";

export interface ServedPort {
  onMessage: { addListener(act: (wish: Wish) => void): void };
  onDisconnect: { addListener(act: () => void): void };
  postMessage(word: Word): void;
}

/** `live` may still be on its way: what is wished for meanwhile is not forgotten. */
export function serve(port: ServedPort, live: Promise<Live>): void {
  const subscriptions = new Map<number, Unsubscribe>();
  let isOpen = true;

  port.onMessage.addListener(async (wish) => {
    if (wish.type === "unsubscribe") {
      subscriptions.get(wish.id)?.();
      subscriptions.delete(wish.id);
      return;
    }
    if (subscriptions.has(wish.id)) return;
    if (!isAllowed(wish, subscriptions.size))
      return tell(wish.id, { liveness: "refused", document: undefined });
    subscriptions.set(wish.id, () => {});
    const ready = await live.catch(() => null);
    // It may have been taken back while we waited.
    if (!ready || !isOpen || !subscriptions.has(wish.id)) return;
    subscriptions.set(
      wish.id,
      subscribe(ready, wish.what, wish.key, (heard) => tell(wish.id, heard)),
    );
  });
  port.onDisconnect.addListener(() => {
    isOpen = false;
    for (const unsubscribe of subscriptions.values()) unsubscribe();
    subscriptions.clear();
  });

  function tell(id: number, heard: Heard<unknown>): void {
    // What a message can't carry as undefined is left out of it.
    if (isOpen) port.postMessage({ id, heard });
  }
}

function subscribe(live: Live, what: What, key: string, hear: (heard: Heard<unknown>) => void): Unsubscribe {
  switch (what) {
    case "patient_state":
      return live.patientState(key, hear);
    case "presence":
      return live.presence(key, hear);
    case "user_inbox":
      return live.userInbox(hear);
  }
}
