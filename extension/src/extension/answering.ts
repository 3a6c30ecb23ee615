// What the service worker answers, by the kind of message.
import { call } from "./calling";
import { hello } from "./greeting";
import { ensureListener } from "./listener";
import type { Answers, Listening, Message } from "./messages";
import { office } from "./office";
import type { Sender } from "./senders";
import { becomeNobody, becomeSomebody } from "./signing";
import { forget, read, write } from "./store";

const LONGEST_TEXT = 64 * 1024;

/** Raises for a sender that may not ask this: no answer is given then. */
export async function answer(message: Message, sender: Sender): Promise<Answers[Message["type"]]> {
  switch (message.type) {
    case "hello":
      return hello(sender, message.panel);
    case "call":
      return call(message, sender);
    case "read_kept":
      return read(await keptKey(message, sender));
    case "keep":
      return keep(await keptKey(message, sender), message.value);
    case "shows":
      return note(message.patientKey, only(sender, "page"));
    case "gone":
      only(sender, "offscreen");
      await forget(`shown:${message.tabId}`);
      return null;
    case "open_sidecar":
      return noteAsked(message.patientKey, only(sender, "page"));
    case "need_listener":
      return needListener();
    case "who_listens":
      only(sender, "offscreen");
      return whoListens();
    case "signed_in":
      only(sender, "panel");
      await becomeSomebody((await office()).identity);
      return null;
    case "sign_out":
      only(sender, "panel");
      await becomeNobody((await office()).identity, false);
      return null;
  }
}

function only<K extends Sender["kind"]>(sender: Sender, kind: K): Extract<Sender, { kind: K }> {
  if (sender.kind !== kind) throw new TypeError(`a ${sender.kind} may not ask this`);
  return sender as Extract<Sender, { kind: K }>;
}

/** Mini and Sidecar each have theirs, and each user. */
async function keptKey(
  { name, userId }: { name: string; userId: string | null },
  sender: Sender,
): Promise<`kept:${string}`> {
  const signedIn = await (await office()).identity.who();
  if (
    !signedIn ||
    signedIn.userId !== userId ||
    sender.kind === "offscreen" ||
    !/^[\w:./-]{1,200}$/.test(name)
  ) {
    throw new TypeError("nothing is kept for this sender");
  }
  return `kept:${signedIn.userId}:${sender.kind}:${name}`;
}

async function keep(key: `kept:${string}`, value: unknown): Promise<null> {
  if (value === undefined || value === null) await forget(key);
  else if (JSON.stringify(value).length <= LONGEST_TEXT) await write(key, value);
  return null;
}

async function note(patientKey: string | null, { tabId }: { tabId: number }): Promise<null> {
  await write(`shown:${tabId}`, { patientKey });
  return null;
}

async function noteAsked(patientKey: string | null, { windowId }: { windowId: number }): Promise<null> {
  await write(`asked:${windowId}`, { patientKey, at: Date.now() });
  return null;
}

async function needListener(): Promise<boolean> {
  if (!(await (await office()).identity.who())) return false;
  await ensureListener();
  return true;
}

async function whoListens(): Promise<Listening | null> {
  const { identity } = await office();
  const signedIn = await identity.who();
  if (signedIn?.kind !== "persona") return signedIn;
  return { ...signedIn, personaToken: await identity.token(signedIn) };
}
