// Calls of the API for those who may not call it themselves.
import { givenUp } from "../api/client";
import { isRecord } from "../api/failures";
import { ApiProblem, type ProblemDocument } from "../api/problem";
import type { Endpoint, RequestOf } from "../api/types";
import { notSignedIn } from "../identity/identity";
import { ConfigurationProblem } from "./configuration";
import { doubtPolicy } from "./greeting";
import type { Answers, Message } from "./messages";
import { office } from "./office";
import type { Sender } from "./senders";

/** Mini calls `mini/*`, Sidecar `sidecar/*`; raises for anything else. */
export async function call(
  message: Extract<Message, { type: "call" }>,
  sender: Sender,
): Promise<Answers["call"]> {
  const surface = sender.kind === "page" ? "mini/" : sender.kind === "panel" ? "sidecar/" : null;
  if (surface === null || !message.endpoint.startsWith(surface) || !isRecord(message.body)) {
    throw new TypeError("this call is not this sender's to make");
  }
  // Where a page is says the browser.
  const body = sender.kind === "page" ? { ...message.body, site: sender.site } : message.body;
  const options = message.idempotencyKey === undefined ? {} : { idempotencyKey: message.idempotencyKey };
  try {
    const { identity, deskOf } = await office();
    const signedIn = await identity.who();
    if (!signedIn) throw notSignedIn();
    if (signedIn.userId !== message.userId) return { problem: givenUp(false) };
    const { api } = deskOf(signedIn);
    const answer = await api.call(message.endpoint as Endpoint, body as RequestOf<Endpoint>, options);
    if (hidesMini(answer)) await doubtPolicy(sender);
    return { answer };
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 403) await doubtPolicy(sender);
    return { problem: problemOf(error) };
  }
}

const hidesMini = (answer: unknown): boolean =>
  isRecord(answer) && isRecord(answer.policy) && answer.policy.show_mini === false;

function problemOf(error: unknown): ProblemDocument {
  if (error instanceof ApiProblem) return error.problem;
  if (!(error instanceof ConfigurationProblem)) throw error;
  return { status: 0, title: "Not set up", detail: error.message, errors: [] };
}
