// The service worker between two users: what was begun for one is never done for, nor told to, the next.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../src/extension/messages";
import type { Sender } from "../src/extension/senders";
import type { Persona } from "../src/identity/persona";
import { aPersona, fakeBrowser } from "./extension_fakes";
import { aConfig } from "./mini_fakes";

const DANA = aPersona("dana");
const IMRE = aPersona("imre");
const TOMAS = aPersona("tomas", "t2");
const PAGE: Sender = { kind: "page", tabId: 7, windowId: 1, site: "ehr.example" };
const PANEL: Sender = { kind: "panel" };
const INACTIVE = { title: "Not allowed", detail: "Your account is not active." };

let browser: ReturnType<typeof fakeBrowser>;
let answer: (message: Message, sender: Sender) => Promise<unknown>;

const settle = () => vi.advanceTimersByTimeAsync(50);
const configOf = (userId: string) => ({ ...aConfig({ userId }), sites: [`${userId}.example`] });

beforeEach(async () => {
  vi.useFakeTimers();
  vi.resetModules();
  browser = fakeBrowser();
  ({ answer } = await import("../src/extension/answering"));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function signIn(persona: Persona): Promise<void> {
  browser.kept.set("persona", persona);
  await answer({ type: "signed_in" }, PANEL);
}
const signOut = () => answer({ type: "sign_out" }, PANEL);

function asked(endpoint: string, by: Persona) {
  const found = browser.asked.filter(
    (each) => each.endpoint === endpoint && each.by === `Bearer ${by.token}`,
  );
  const last = found.at(-1);
  if (!last) throw new Error(`${by.userId} did not ask for ${endpoint}`);
  return last;
}

const sendAs = (userId: string) =>
  answer(
    { type: "call", userId, endpoint: "mini/ack", body: { note_text: "Dana's" }, idempotencyKey: "k" },
    PAGE,
  );
const acks = () => browser.asked.filter(({ endpoint }) => endpoint === "mini/ack");

describe("a Send under way when somebody else signs in", () => {
  it("is given up, and not repeated for them", async () => {
    await signIn(DANA);
    const sending = sendAs("dana");
    await settle();
    await signOut();
    await signIn(IMRE);
    await vi.advanceTimersByTimeAsync(20_000);
    expect(await sending).toMatchObject({ problem: { status: 0, title: "Signed out" } });
    expect(acks()).toHaveLength(1);
  });

  it("that is refused in the very moment they are chosen is not repeated, and doesn't sign them out", async () => {
    await signIn(DANA);
    const sending = sendAs("dana");
    await settle();
    browser.kept.set("persona", IMRE);
    acks()[0]?.answer(401, { title: "x", detail: "No." });
    await settle();
    expect(await sending).toMatchObject({ problem: { status: 0, title: "Signed out" } });
    expect(acks()).toHaveLength(1);
    expect(browser.kept.get("persona")).toEqual(IMRE);
  });

  it("from a Mini that was drawn for the one before is not sent, nor are their drafts mixed", async () => {
    await signIn(IMRE);
    expect(await sendAs("dana")).toMatchObject({ problem: { status: 0, title: "Signed out" } });
    await expect(answer({ type: "keep", userId: "dana", name: "draft", value: 1 }, PAGE)).rejects.toThrow();
    expect(acks()).toHaveLength(0);
  });
});

describe("a policy that comes late", () => {
  it("is neither kept nor followed after its user signed out", async () => {
    await signIn(DANA);
    const greeted = answer({ type: "hello" }, PANEL);
    await settle();
    const late = asked("sidecar/config", DANA);
    await signOut();
    late.answer(200, configOf("dana"));
    await settle();
    expect(await greeted).toMatchObject({ session: { state: "signed_out" }, signedIn: null });
    expect([...browser.kept.keys()].filter((key) => key.startsWith("config:"))).toEqual([]);
    expect(browser.kept.get("sites")).toEqual([]);
  });

  it("is neither kept for nor told to who was chosen meanwhile", async () => {
    await signIn(DANA);
    const greeted = answer({ type: "hello" }, PANEL);
    await settle();
    browser.kept.set("persona", TOMAS);
    asked("sidecar/config", DANA).answer(200, configOf("dana"));
    await settle();
    expect(browser.kept.has("sites")).toBe(false);
    asked("sidecar/config", TOMAS).answer(200, configOf("tomas"));
    await settle();
    expect(await greeted).toMatchObject({
      session: { config: { user: { user_id: "tomas" } } },
      signedIn: { userId: "tomas" },
    });
    expect(browser.kept.get("sites")).toEqual(["http://tomas.example/*", "https://tomas.example/*"]);
  });

  it("refused to the one before signs nobody else out", async () => {
    await signIn(DANA);
    const greeted = answer({ type: "hello" }, PANEL);
    await settle();
    await signIn(TOMAS);
    await settle();
    asked("sidecar/config", TOMAS).answer(200, configOf("tomas"));
    await settle();
    expect(await greeted).toMatchObject({ signedIn: { userId: "tomas" } });
    expect(browser.kept.get("persona")).toEqual(TOMAS);
  });
});

describe("whoever is not active any more", () => {
  it("is told so in the API's words", async () => {
    await signIn(DANA);
    const greeted = answer({ type: "hello" }, PAGE);
    await settle();
    asked("mini/config", DANA).answer(403, INACTIVE);
    await settle();
    const session = { state: "refused", problem: INACTIVE.detail };
    expect(await greeted).toMatchObject({ session, signedIn: { userId: "dana" } });
  });

  it("is told so also where a policy is known already", async () => {
    await signIn(DANA);
    const first = answer({ type: "hello" }, PAGE);
    await settle();
    asked("mini/config", DANA).answer(200, configOf("dana"));
    await first;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(await answer({ type: "hello" }, PAGE)).toMatchObject({ session: { state: "signed_in" } });
    await settle();
    asked("mini/config", DANA).answer(403, INACTIVE);
    await settle();
    expect(browser.nudged).toContain(7);
    expect([...browser.kept.keys()].filter((key) => key.startsWith("config:"))).toEqual([]);
  });
});

describe("a tab whose page is gone", () => {
  it("shows nobody any more, by the word of the port's other end alone", async () => {
    await signIn(DANA);
    await answer({ type: "shows", patientKey: "p1" }, PAGE);
    await expect(answer({ type: "gone", tabId: 7 }, { ...PAGE, tabId: 8 })).rejects.toThrow(TypeError);
    expect(browser.kept.get("shown:7")).toEqual({ patientKey: "p1" });
    await answer({ type: "gone", tabId: 7 }, { kind: "offscreen" });
    expect(browser.kept.has("shown:7")).toBe(false);
  });
});
