// The ports of a surface that lives apart from the service worker, over messages.
import { noAnswer } from "../api/failures";
import { ApiProblem } from "../api/problem";
import type { AnswerOf, Endpoint, RequestOf } from "../api/types";
import type { Memory } from "../mini/place";
import type { Api, CallOptions, Drafts } from "../ports";
import { type ClientPort, type LiveClient, liveClient } from "./live_client";
import { PORT } from "./live_protocol";
import { ask } from "./messages";

/** The API as the service worker calls it for this user, and for nobody else; it also makes what retries there are. */
export const messageApi = (userId: string | null): Api => ({
  async call<E extends Endpoint>(endpoint: E, body: RequestOf<E>, options: CallOptions = {}) {
    const { idempotencyKey } = options;
    const told = await ask({
      type: "call",
      userId,
      endpoint,
      body,
      ...(idempotencyKey !== undefined && { idempotencyKey }),
    }).catch(() => ({ problem: noAnswer() }));
    if ("problem" in told) throw new ApiProblem(told.problem);
    return told.answer as AnswerOf<E>;
  },
});

/** This user's texts in the service worker's memory, out of the host page's reach. */
export const messageDrafts = (userId: string | null): Drafts => ({
  async read(name) {
    return (await ask({ type: "read_kept", userId, name })) ?? undefined;
  },
  async write(name, draft) {
    await ask({ type: "keep", userId, name, value: draft });
  },
});

/** Where this user's Mini stands, on every page. */
export const placeMemory = (drafts: Drafts): Memory => ({
  read: () => drafts.read("place"),
  write: (remembered) => drafts.write("place", remembered),
});

/** The documents as the offscreen document hears them; `onLost`: the connection to it broke. */
export const messageLive = (onLost: () => void = () => {}): LiveClient => liveClient(() => connect(onLost));

async function connect(onLost: () => void): Promise<ClientPort | null> {
  if (!(await ask({ type: "need_listener" }))) return null;
  const port = chrome.runtime.connect({ name: PORT });
  port.onDisconnect.addListener(() => {
    // Chrome complains on the console about an error that nobody read.
    void chrome.runtime?.lastError;
    onLost();
  });
  return port as ClientPort;
}
