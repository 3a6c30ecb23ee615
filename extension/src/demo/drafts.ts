// Begun texts on the demo page. The session's storage outlives a reload and ends with the tab; a browser may
// write it to disk, which is all right here and only here: whatever is written is about synthetic patients.
import type { Drafts } from "../ports";

/** Drafts of one side: the two sides are two users. */
export function sessionDrafts(side: string, storage: Storage = sessionStorage): Drafts {
  const key = (name: string) => `mobius-demo:${side}:draft:${name}`;
  return {
    async read(name) {
      try {
        return JSON.parse(storage.getItem(key(name)) ?? "null") ?? undefined;
      } catch {
        return undefined;
      }
    },
    async write(name, draft) {
      try {
        if (draft === undefined) storage.removeItem(key(name));
        else storage.setItem(key(name), JSON.stringify(draft));
      } catch {
        // A full storage keeps the older draft; the text on screen is not touched.
      }
    },
  };
}

/** The name of a side's session: the same after a reload of the tab. */
export function sessionIdOf(side: string, storage: Storage = sessionStorage): string {
  const key = `mobius-demo:${side}:session`;
  const known = storage.getItem(key);
  if (known !== null) return known;
  const made = crypto.randomUUID();
  storage.setItem(key, made);
  return made;
}
