// What the extension has to know of the installation that it belongs to: config.json beside it.
import type { Addresses } from "../api/addresses";
import { isRecord } from "../api/failures";
import type { FirebaseOptions } from "../live/firestore";

export interface Configuration {
  addresses: Addresses;
  firebase: FirebaseOptions;
  /** On a developer's machine; each as `host:port`. */
  emulators: { firestore?: string; auth?: string };
  /** Where the synthetic users are listed, on a developer's machine. */
  personas?: string;
  /** Sign-in with Google. */
  google?: { clientId: string };
}

/** config.json doesn't say what it has to; the message is a sentence. */
export class ConfigurationProblem extends Error {}

const FILE = "config.json";

export async function loadConfiguration(): Promise<Configuration> {
  let told: unknown;
  try {
    told = await (await fetch(chrome.runtime.getURL(FILE))).json();
  } catch {
    throw new ConfigurationProblem(`Mobius isn't set up: its ${FILE} is missing or is no JSON.`);
  }
  return readConfiguration(told);
}

/** Raises ConfigurationProblem, naming the first thing that is wrong. */
export function readConfiguration(told: unknown): Configuration {
  const config = record(told, "the file");
  const firebase = record(config.firebase, "firebase");
  const emulators = config.emulators === undefined ? {} : record(config.emulators, "emulators");
  return {
    addresses: addresses(config.api),
    firebase: {
      projectId: text(firebase.projectId, "firebase.projectId"),
      ...optional("apiKey", firebase.apiKey, "firebase.apiKey"),
      ...optional("authDomain", firebase.authDomain, "firebase.authDomain"),
      ...optional("appId", firebase.appId, "firebase.appId"),
    },
    emulators: {
      ...optional("firestore", emulators.firestore, "emulators.firestore"),
      ...optional("auth", emulators.auth, "emulators.auth"),
    },
    ...(config.personas !== undefined && { personas: address(config.personas, "personas") }),
    ...(config.google !== undefined && {
      google: { clientId: text(record(config.google, "google").clientId, "google.clientId") },
    }),
  };
}

function addresses(told: unknown): Addresses {
  const api = record(told, "api");
  if (api.base !== undefined) return { base: address(api.base, "api.base") };
  const functions = record(api.functions, "api.functions");
  const entries = Object.entries(functions).map(([name, each]) => [
    name,
    address(each, `api.functions.${name}`),
  ]);
  return { functions: Object.fromEntries(entries) };
}

function record(told: unknown, name: string): Record<string, unknown> {
  return isRecord(told) ? told : wrong(name, "an object");
}

function text(told: unknown, name: string): string {
  return typeof told === "string" && told !== "" ? told : wrong(name, "a text");
}

function address(told: unknown, name: string): string {
  const at = text(told, name);
  return URL.canParse(at) && /^https?:$/.test(new URL(at).protocol) ? at : wrong(name, "a web address");
}

/** Null counts as missing, as it does in every answer of the API. */
function optional<N extends string>(key: N, told: unknown, name: string): { [K in N]?: string } {
  if (told === undefined || told === null) return {};
  return { [key]: text(told, name) } as { [K in N]?: string };
}

function wrong(name: string, kind: string): never {
  throw new ConfigurationProblem(`Mobius isn't set up: in its ${FILE}, ${name} must be ${kind}.`);
}
