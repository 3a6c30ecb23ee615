// What an instance of Mini or Sidecar begins with: who is signed in, and what policy says there.
import { ApiProblem } from "../api/problem";
import type { Config, RequestOf } from "../api/types";
import type { Session } from "../ports";
import { ConfigurationProblem } from "./configuration";
import type { Hello } from "./messages";
import { checked, office } from "./office";
import { adoptSites, unregister } from "./registration";
import type { Sender } from "./senders";
import { forget, read, readOrMake, write } from "./store";

/** Policy seldom changes: what is known of it shows at once, and is asked for again behind it. */
const FRESH_MS = 2_000;
const USABLE_MS = 10 * 60_000;
/** An answer that doesn't fit what is known of policy has it asked for again, this often at most. */
const DOUBT_MS = 10_000;

export async function hello(sender: Sender, panel = "alone"): Promise<Hello> {
  const name = sender.kind === "page" ? `tab:${sender.tabId}` : `panel:${panel}`;
  const sessionId = await readOrMake(`session:${name}`, () => crypto.randomUUID());
  try {
    const { identity } = await office();
    const signedIn = await identity.who();
    const session: Session = signedIn ? await sessionOf(sender, sessionId) : { state: "signed_out" };
    return { session, sessionId, signedIn: session.state === "signed_out" ? null : signedIn };
  } catch (error) {
    if (!(error instanceof ConfigurationProblem)) throw error;
    return { session: { state: "unreachable", problem: error.message }, sessionId, signedIn: null };
  }
}

async function sessionOf(sender: Sender, sessionId: string): Promise<Session> {
  const site = sender.kind === "page" ? sender.site : undefined;
  const key = `config:${sender.kind}:${site ?? ""}` as const;
  const known = await read(key);
  const age = known ? Date.now() - known.at : Number.POSITIVE_INFINITY;
  const usable: Session | null = known ? { state: "signed_in", config: known.config } : null;
  if (usable && age < FRESH_MS) return usable;
  const asking = askForConfig(key, sessionId, site);
  if (usable && age < USABLE_MS) {
    asking.then(
      (config) => (isSamePolicy(config, known?.config) ? undefined : nudge(sender)),
      () => {},
    );
    return usable;
  }
  try {
    return { state: "signed_in", config: await asking };
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.status === 401) return { state: "signed_out" };
    if (usable && error.isPassing) return usable;
    await forget(key);
    return { state: "unreachable", problem: error.message };
  }
}

async function askForConfig(key: `config:${string}`, sessionId: string, site?: string): Promise<Config> {
  const { api } = await office();
  const config =
    site === undefined
      ? await checked(api.call("sidecar/config", asked({ session_id: sessionId })))
      : await checked(api.call("mini/config", asked({ session_id: sessionId, site })));
  await write(key, { config, at: Date.now() });
  await adoptSites(config);
  return config;
}

const isSamePolicy = (one: Config, other: Config | undefined): boolean =>
  JSON.stringify({ ...one, session_id: null }) === JSON.stringify({ ...other, session_id: null });

/** Has whoever asked ask again: a page by message; the panel looks at the store. */
async function nudge(sender: Sender): Promise<void> {
  if (sender.kind === "page")
    await chrome.tabs.sendMessage(sender.tabId, { type: "session_changed" }).catch(() => {});
  else await write("epoch", crypto.randomUUID());
}

/** The page asks again what policy says: it may have changed since. */
export async function doubtPolicy(sender: Sender): Promise<void> {
  if (sender.kind !== "page") return;
  const key = `config:page:${sender.site}` as const;
  const known = await read(key);
  if (known && (Date.now() - known.at < DOUBT_MS || !known.config.policy.show_mini)) return;
  await forget(key);
  await nudge(sender);
}

/** After the browser started or the extension was renewed: has Mini shown where it has to be. */
export async function beginAnew(): Promise<void> {
  const { identity, api } = await office();
  if (!(await identity.who())) return unregister();
  // What can't be asked for now is asked for by the next page that says hello.
  await api.call("mini/config", asked({})).then(adoptSites, () => {});
}

/** The types ask for every field; the API doesn't. */
const asked = (fields: object) => fields as RequestOf<"mini/config"> & RequestOf<"sidecar/config">;
