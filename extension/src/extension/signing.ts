// Who is signed in, as the service worker keeps it, and what it takes to become somebody else.
import { deleteApp } from "firebase/app";
import type { Auth } from "firebase/auth/web-extension";
import { firebaseIdentity, openAuth } from "../identity/firebase";
import { firstOf, type Identity } from "../identity/identity";
import { fetchPersonas, type Persona, personaIdentity } from "../identity/persona";
import type { Configuration } from "./configuration";
import { endListener } from "./listener";
import { unregister } from "./registration";
import { forget, forgetAllBut, keysOf, read, write } from "./store";

let auth: Promise<Auth> | undefined;
let reign = new AbortController();

/** Aborted as soon as whoever is signed in now signs out, or somebody else signs in. */
export const untilSignedOut = (): AbortSignal => reign.signal;

function endReign(): void {
  reign.abort();
  reign = new AbortController();
}

export function identityOf(configuration: Configuration): Identity {
  const { personas, firebase, emulators } = configuration;
  const kinds: Identity[] = [];
  if (personas !== undefined) kinds.push(personaIdentity(personaStore, () => fetchPersonas(personas)));
  if (firebase.apiKey !== undefined) {
    const open = () => {
      auth ??= openAuth(firebase, emulators.auth);
      return auth;
    };
    kinds.push(firebaseIdentity(open));
  }
  return firstOf(...kinds);
}

const personaStore = {
  read: async () => (await read("persona")) ?? null,
  async write(persona: Persona | null) {
    if (persona) await write("persona", persona);
    else await forget("persona");
    // Its listeners hold the token of before.
    await endListener();
  },
};

/** Somebody signed in on one of our pages. What another user began to write is gone. */
export async function becomeSomebody(identity: Identity): Promise<void> {
  endReign();
  await reopenAuth();
  const userId = (await identity.who())?.userId;
  await begin((key) => key === "persona" || key.startsWith(`kept:${userId}:`));
}

/** Nobody is signed in any more. `keepTexts`: nobody asked for it, so the same user may come back to them. */
export async function becomeNobody(identity: Identity, keepTexts: boolean): Promise<void> {
  endReign();
  await identity.signOut().catch(() => {});
  await begin((key) => keepTexts && key.startsWith("kept:"));
  await unregister();
}

/** Nothing of before is left but what is named; the pages that show something ask again who is signed in. */
async function begin(isKept: (key: string) => boolean): Promise<void> {
  const tabs = await tabsThatSaidHello();
  await endListener();
  await forgetAllBut(isKept);
  await write("epoch", crypto.randomUUID());
  for (const tabId of tabs) chrome.tabs.sendMessage(tabId, { type: "session_changed" }).catch(() => {});
}

async function tabsThatSaidHello(): Promise<number[]> {
  return (await keysOf("session:tab:")).map((key) => Number(key.split(":")[2]));
}

async function reopenAuth(): Promise<void> {
  const before = await auth?.catch(() => undefined);
  auth = undefined;
  if (before) await deleteApp(before.app);
}
