// What the service worker has to know after it was ended: chrome.storage.session, which is memory alone, is
// cleared with the browser and is open to the extension's own pages only.
import type { Config } from "../api/types";
import type { Persona } from "../identity/persona";

export interface Kept {
  persona: Persona;
  /** Another one whenever somebody else is signed in, or nobody. */
  epoch: string;
  /** The match patterns of the sites that policy names for whoever is signed in. */
  sites: string[];
  [session: `session:${string}`]: string;
  [shown: `shown:${number}`]: Shown;
  [asked: `asked:${number}`]: Asked;
  [config: `config:${string}`]: KnownConfig;
  /** A text that was begun, or how somebody left their Mini. */
  [text: `kept:${string}`]: unknown;
}

/** Which patient a tab shows. */
export interface Shown {
  patientKey: string | null;
}

/** Somebody pressed Mini's way to Sidecar in this window. */
export interface Asked {
  patientKey: string | null;
  at: number;
}

export interface KnownConfig {
  config: Config;
  at: number;
}

export async function read<K extends keyof Kept & string>(key: K): Promise<Kept[K] | undefined> {
  const found: Record<string, unknown> = await chrome.storage.session.get(key);
  return found[key] as Kept[K] | undefined;
}

export async function write<K extends keyof Kept & string>(key: K, value: Kept[K]): Promise<void> {
  await chrome.storage.session.set({ [key]: value });
}

export async function forget(...keys: (keyof Kept & string)[]): Promise<void> {
  await chrome.storage.session.remove<Record<string, unknown>>(keys);
}

export async function keysOf(prefix: string): Promise<string[]> {
  return Object.keys(await chrome.storage.session.get(null)).filter((key) => key.startsWith(prefix));
}

/** Forgets everything but what is named. */
export async function forgetAllBut(isKept: (key: string) => boolean): Promise<void> {
  const keys = Object.keys(await chrome.storage.session.get(null));
  await chrome.storage.session.remove(keys.filter((key) => !isKept(key)));
}

/** The value under `key`, made and kept when there is none. Asked for twice at once it is made once. */
export function readOrMake<K extends keyof Kept & string>(key: K, make: () => Kept[K]): Promise<Kept[K]> {
  const made = making.then(async () => {
    const known = await read(key);
    if (known !== undefined) return known;
    const fresh = make();
    await write(key, fresh);
    return fresh;
  });
  making = made.catch(() => {});
  return made;
}

let making: Promise<unknown> = Promise.resolve();
