// What an instance of Mini or Sidecar begins with: who is signed in, and what policy says there.
import { ApiProblem } from "../api/problem";
import type { Config, RequestOf } from "../api/types";
import { isSameUser, type SignedIn } from "../identity/identity";
import type { Session } from "../ports";
import { ConfigurationProblem } from "./configuration";
import type { Hello } from "./messages";
import { office } from "./office";
import { adoptSites, unregister } from "./registration";
import type { Sender } from "./senders";
import { forget, read, readOrMake, write } from "./store";

/** Policy seldom changes: what is known of it shows at once, and is asked for again behind it. */
const FRESH_MS = 2_000;
const USABLE_MS = 10 * 60_000;
/** An answer that doesn't fit what is known of policy has it asked for again, this often at most. */
const DOUBT_MS = 10_000;

const SIGNED_OUT: Session = { state: "signed_out" };

export async function hello(sender: Sender, panel = "alone"): Promise<Hello> {
  const name = sender.kind === "page" ? `tab:${sender.tabId}` : `panel:${panel}`;
  const sessionId = await readOrMake(`session:${name}`, () => crypto.randomUUID());
  try {
    const { identity } = await office();
    const signedIn = await identity.who();
    const session = signedIn ? await sessionOf(sender, sessionId, signedIn) : SIGNED_OUT;
    // What was found out for one user is not told to the next.
    if (!isSameUser(await identity.who(), signedIn)) return hello(sender, panel);
    return { session, sessionId, signedIn: session.state === "signed_out" ? null : signedIn };
  } catch (error) {
    if (!(error instanceof ConfigurationProblem)) throw error;
    return { session: { state: "unreachable", problem: error.message }, sessionId, signedIn: null };
  }
}

async function sessionOf(sender: Sender, sessionId: string, signedIn: SignedIn): Promise<Session> {
  const site = sender.kind === "page" ? sender.site : undefined;
  const key = keyOf(signedIn, sender);
  const known = await read(key);
  const age = known ? Date.now() - known.at : Number.POSITIVE_INFINITY;
  const usable: Session | null = known ? { state: "signed_in", config: known.config } : null;
  if (usable && age < FRESH_MS) return usable;
  const asking = askForConfig(signedIn, key, sessionId, site);
  if (usable && age < USABLE_MS) {
    asking.then(
      (config) => (isSamePolicy(config, known?.config) ? undefined : nudge(sender)),
      (error) => (isRefusal(error) ? forget(key).then(() => nudge(sender)) : undefined),
    );
    return usable;
  }
  try {
    return { state: "signed_in", config: await asking };
  } catch (error) {
    if (!(error instanceof ApiProblem)) throw error;
    if (error.status === 401) return SIGNED_OUT;
    if (usable && error.isPassing) return usable;
    await forget(key);
    return { state: isRefusal(error) ? "refused" : "unreachable", problem: error.message };
  }
}

async function askForConfig(
  signedIn: SignedIn,
  key: ConfigKey,
  sessionId: string,
  site?: string,
): Promise<Config> {
  const { api, isTheirs } = (await office()).deskOf(signedIn);
  const config =
    site === undefined
      ? await api.call("sidecar/config", asked({ session_id: sessionId }))
      : await api.call("mini/config", asked({ session_id: sessionId, site }));
  if (await isTheirs()) {
    await Promise.all([write(key, { config, at: Date.now() }), adoptSites(config)]);
  }
  return config;
}

type ConfigKey = `config:${string}`;

const keyOf = ({ userId }: SignedIn, sender: Sender): ConfigKey =>
  `config:${userId}:${sender.kind}:${sender.kind === "page" ? sender.site : ""}`;

/** Whoever is not active any more may not even ask for the policy. */
const isRefusal = (error: unknown): boolean => error instanceof ApiProblem && error.status === 403;

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
  const signedIn = await (await office()).identity.who();
  if (!signedIn) return;
  const key = keyOf(signedIn, sender);
  const known = await read(key);
  if (known && (Date.now() - known.at < DOUBT_MS || !known.config.policy.show_mini)) return;
  await forget(key);
  await nudge(sender);
}

/** After the browser started or the extension was renewed: has Mini shown where it has to be. */
export async function beginAnew(): Promise<void> {
  const { identity, deskOf } = await office();
  const signedIn = await identity.who();
  if (!signedIn) return unregister();
  const { api, isTheirs } = deskOf(signedIn);
  // What can't be asked for now is asked for by the next page that says hello.
  const config = await api.call("mini/config", asked({})).catch(() => null);
  if (config && (await isTheirs())) await adoptSites(config);
}

/** The types ask for every field; the API doesn't. */
const asked = (fields: object) => fields as RequestOf<"mini/config"> & RequestOf<"sidecar/config">;
