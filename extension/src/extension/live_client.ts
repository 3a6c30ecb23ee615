// A surface's side of the port: the documents as the offscreen document passes them on. A port that drops is
// opened again by itself, and what is on screen is not called live meanwhile.

import { waiting } from "../live/hearing";
import type { Heard, Live, Unsubscribe } from "../ports";
import type { What, Wish, Word } from "./live_protocol";

export interface ClientPort {
  onMessage: { addListener(act: (word: Word) => void): void };
  onDisconnect: { addListener(act: () => void): void };
  postMessage(wish: Wish): void;
  disconnect(): void;
}

export interface LiveClient extends Live {
  end(): void;
}

interface Subscription {
  what: What;
  key: string;
  hear: (heard: Heard<unknown>) => void;
  last: Heard<unknown>;
}

const FIRST_RETRY_MS = 200;
const LONGEST_RETRY_MS = 10_000;

/** `connect` resolves to null when there is nothing to connect to yet. */
export function liveClient(
  connect: () => Promise<ClientPort | null>,
  isOnline = () => navigator.onLine,
): LiveClient {
  const subscriptions = new Map<number, Subscription>();
  let port: ClientPort | null = null;
  let isConnecting = false;
  let isEnded = false;
  let failures = 0;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let lastId = 0;

  function subscribe<T>(what: What, key: string, hear: (heard: Heard<T>) => void): Unsubscribe {
    lastId += 1;
    const id = lastId;
    const last: Heard<unknown> = { liveness: isOnline() ? "connecting" : "offline", document: undefined };
    // The documents are as the listeners gave them: the port's other end is our own.
    const own: Subscription = { what, key, hear: hear as Subscription["hear"], last };
    subscriptions.set(id, own);
    own.hear(last);
    if (port) port.postMessage({ type: "subscribe", id, what, key });
    else void open();
    return () => {
      if (subscriptions.delete(id)) port?.postMessage({ type: "unsubscribe", id });
    };
  }

  async function open(): Promise<void> {
    if (isConnecting || port || isEnded) return;
    clearTimeout(retry);
    isConnecting = true;
    const opened = await connect().catch(() => null);
    isConnecting = false;
    if (isEnded) {
      opened?.disconnect();
      return;
    }
    if (!opened) return openLater();
    port = opened;
    opened.onMessage.addListener(pass);
    opened.onDisconnect.addListener(() => {
      if (port !== opened) return;
      port = null;
      for (const each of [...subscriptions.values()]) {
        tell(each, { document: each.last.document, liveness: waiting(each.last, isOnline()) });
      }
      openLater();
    });
    for (const [id, { what, key }] of subscriptions) opened.postMessage({ type: "subscribe", id, what, key });
  }

  function openLater(): void {
    if (isEnded || subscriptions.size === 0) return;
    const delay = Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures) * (0.75 + Math.random() / 2);
    failures += 1;
    clearTimeout(retry);
    retry = setTimeout(() => void open(), delay);
  }

  function pass({ id, heard }: Word): void {
    failures = 0;
    const subscription = subscriptions.get(id);
    // On its way a document that is undefined gets lost.
    if (subscription) tell(subscription, { liveness: heard.liveness, document: heard.document });
  }

  function tell(subscription: Subscription, heard: Heard<unknown>): void {
    subscription.last = heard;
    subscription.hear(heard);
  }

  return {
    patientState: (patientKey, hear) => subscribe("patient_state", patientKey, hear),
    userInbox: (hear) => subscribe("user_inbox", "", hear),
    presence: (patientKey, hear) => subscribe("presence", patientKey, hear),
    end() {
      isEnded = true;
      clearTimeout(retry);
      subscriptions.clear();
      port?.disconnect();
      port = null;
    },
  };
}
