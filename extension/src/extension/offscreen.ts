// The offscreen document: one listener for each document, whatever the number of tabs. It listens for one user;
// for another one the service worker makes another document, so that nothing of the former stays in memory.
import { openAuth } from "../identity/firebase";
import { firestoreLive } from "../live/firestore";
import type { Live } from "../ports";
import { loadConfiguration } from "./configuration";
import { PORT } from "./live_protocol";
import { ask } from "./messages";
import { ownIdentity, readSender } from "./senders";
import { type ServedPort, serve } from "./serving";

/** Without anybody who subscribes, it goes after so long; the service worker makes it anew when it is needed. */
const IDLE_MS = 120_000;

let ports = 0;
let idle = setTimeout(close, IDLE_MS);
const live = listen();

chrome.runtime.onConnect.addListener((port) => {
  if (port.name !== PORT || port.sender?.id !== ownIdentity().id) {
    port.disconnect();
    return;
  }
  ports += 1;
  clearTimeout(idle);
  port.onDisconnect.addListener(() => {
    ports -= 1;
    if (ports === 0) idle = setTimeout(close, IDLE_MS);
    // Of a page that crashed its port alone tells: Chrome has no other event for it, and the same one for every
    // new document as for a step within one.
    const sender = port.sender && readSender(port.sender, ownIdentity());
    if (sender?.kind === "page") ask({ type: "gone", tabId: sender.tabId }).catch(() => {});
  });
  serve(port as ServedPort, live);
});

async function listen(): Promise<Live> {
  const listening = await ask({ type: "who_listens" });
  if (!listening) throw new Error("nobody is signed in");
  const { firebase, emulators } = await loadConfiguration();
  const { personaToken, tenantId, userId } = listening;
  return firestoreLive({
    name: "live",
    firebase,
    ...(emulators.firestore !== undefined && { emulatorHost: emulators.firestore }),
    identity:
      personaToken === undefined
        ? { kind: "firebase", auth: await openAuth(firebase, emulators.auth) }
        : { kind: "persona", token: personaToken },
    tenantId,
    userId,
  });
}

// Whoever wished for something connects again, and finds a document that may do better.
live.catch(() => setTimeout(close, 1_000));
