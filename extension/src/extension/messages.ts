// What the extension's parts say to each other: a page's content script, the panel and the offscreen document
// ask, the service worker answers.
import { isRecord } from "../api/failures";
import type { ProblemDocument } from "../api/problem";
import type { SignedIn } from "../identity/identity";
import type { Session } from "../ports";

/** To the service worker. `userId`: for whom the surface is drawn that asks; it may be somebody else's turn by now. */
export type Message =
  | { type: "hello"; panel?: string }
  | { type: "call"; userId: string | null; endpoint: string; body: unknown; idempotencyKey?: string }
  | { type: "read_kept"; userId: string | null; name: string }
  | { type: "keep"; userId: string | null; name: string; value?: unknown }
  | { type: "shows"; patientKey: string | null }
  /** The page in this tab is not there any more: it may have crashed, and told nobody. */
  | { type: "gone"; tabId: number }
  | { type: "open_sidecar"; patientKey: string | null }
  | { type: "need_listener" }
  | { type: "who_listens" }
  | { type: "signed_in" }
  | { type: "sign_out" };

const FIELDS: Record<Message["type"], Record<string, (value: unknown) => boolean>> = {
  hello: { panel: isTextOrNone },
  call: { userId: isTextOrNull, endpoint: isText, idempotencyKey: isTextOrNone },
  read_kept: { userId: isTextOrNull, name: isText },
  keep: { userId: isTextOrNull, name: isText },
  shows: { patientKey: isTextOrNull },
  gone: { tabId: Number.isInteger },
  open_sidecar: { patientKey: isTextOrNull },
  need_listener: {},
  who_listens: {},
  signed_in: {},
  sign_out: {},
};

/** Whether this is one of ours: content scripts live in the processes of their pages. */
export function isMessage(told: unknown): told is Message {
  if (!isRecord(told) || typeof told.type !== "string" || !Object.hasOwn(FIELDS, told.type)) return false;
  const fields = Object.entries(FIELDS[told.type as Message["type"]]);
  return fields.every(([name, isRight]) => isRight(told[name]));
}

function isText(value: unknown): boolean {
  return typeof value === "string" && value.length <= 256;
}

function isTextOrNone(value: unknown): boolean {
  return value === undefined || isText(value);
}

function isTextOrNull(value: unknown): boolean {
  return value === null || isText(value);
}

/** What each is answered with. */
export interface Answers {
  hello: Hello;
  call: { answer: unknown } | { problem: ProblemDocument };
  read_kept: unknown;
  keep: null;
  shows: null;
  gone: null;
  open_sidecar: null;
  /** Whether there is one to connect to: nobody listens for nobody. */
  need_listener: boolean;
  who_listens: Listening | null;
  signed_in: null;
  sign_out: null;
}

/** What an instance of Mini or Sidecar begins with. */
export interface Hello {
  session: Session;
  sessionId: string;
  signedIn: SignedIn | null;
}

/** Whom the offscreen document listens for; a persona's token is one for emulators. */
export type Listening = SignedIn & { personaToken?: string };

/** From the service worker to the pages that said hello: say it again. */
export interface Nudge {
  type: "session_changed";
}

export const isNudge = (message: unknown): message is Nudge =>
  (message as Partial<Nudge> | null)?.type === "session_changed";

/** Rejects when the extension was reloaded meanwhile, or when the worker broke off. */
export async function ask<M extends Message>(message: M): Promise<Answers[M["type"]]> {
  const told: unknown = await chrome.runtime.sendMessage(message);
  if (!isEnvelope(told)) throw new Error("the service worker did not answer");
  return told.value as Answers[M["type"]];
}

/** An answer of `undefined` can't be told from none. */
export interface Envelope {
  value: unknown;
}

const isEnvelope = (told: unknown): told is Envelope => isRecord(told) && "value" in told;

/** Whether this script's extension is still there: one that was reloaded leaves its content scripts behind. */
export const isAlive = (): boolean => Boolean(globalThis.chrome?.runtime?.id);
