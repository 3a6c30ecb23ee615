// Has Chrome run Mini's content script on the sites that policy names, as far as it was allowed to.
import type { Config } from "../api/types";
import { patternsOf, sitesOf } from "./sites";
import { read, write } from "./store";

const ID = "mini";
const FILE = "content.js";

/** To be called with every configuration that comes: it does something only when the sites are others. */
export async function adoptSites(config: Config): Promise<void> {
  const patterns = patternsOf(sitesOf(config));
  if (JSON.stringify(await read("sites")) === JSON.stringify(patterns)) return;
  await write("sites", patterns);
  await register();
}

/** To be called when a permission was granted or taken away. Does nothing while no sites are known. */
export function register(): Promise<void> {
  return inTurn(async () => {
    const sites = await read("sites");
    if (!sites) return;
    const allowed = await allowedOf(sites);
    const [known] = await chrome.scripting.getRegisteredContentScripts({ ids: [ID] });
    if (allowed.length === 0) {
      if (known) await chrome.scripting.unregisterContentScripts({ ids: [ID] });
      return;
    }
    const script = { id: ID, matches: allowed, js: [FILE], runAt: "document_idle" as const };
    if (known) await chrome.scripting.updateContentScripts([script]);
    else await chrome.scripting.registerContentScripts([script]);
    await injectInto(allowed);
  });
}

export async function unregister(): Promise<void> {
  await write("sites", []);
  await register();
}

async function allowedOf(patterns: string[]): Promise<string[]> {
  const isAllowed = await Promise.all(
    patterns.map((pattern) => chrome.permissions.contains({ origins: [pattern] })),
  );
  return patterns.filter((_, index) => isAllowed[index]);
}

/** A page that is open already gets its Mini now; one that has it pays no attention. */
async function injectInto(matches: string[]): Promise<void> {
  const tabs = await chrome.tabs.query({ url: matches });
  const injected = tabs.map(async ({ id }) => {
    if (id !== undefined) await chrome.scripting.executeScript({ target: { tabId: id }, files: [FILE] });
  });
  // A page that shows an error, or was closed meanwhile, takes no script.
  await Promise.allSettled(injected);
}

let turn: Promise<void> = Promise.resolve();

function inTurn(act: () => Promise<void>): Promise<void> {
  const done = turn.then(act);
  turn = done.catch(() => {});
  return done;
}
