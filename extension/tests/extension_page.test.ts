// @vitest-environment happy-dom
// Mini's place in a page: when it is drawn at all, and what it does when the page takes it away.
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Message } from "../src/extension/messages";
import { type MiniInPage, miniInPage } from "../src/extension/mini_in_page";
import type { Session } from "../src/ports";
import { aConfig } from "./mini_fakes";

const SIGNED_IN: Session = { state: "signed_in", config: aConfig() };
const UNREACHABLE: Session = { state: "unreachable", problem: "No network." };
const REFUSED: Session = { state: "refused", problem: "Your account is not active." };

let session: Session;
let mini: MiniInPage;
const told: Message[] = [];

const drawn = () => document.querySelectorAll("mobius-mini").length;
const later = (ms = 0) => vi.advanceTimersByTimeAsync(ms);

beforeEach(() => {
  vi.useFakeTimers();
  told.length = 0;
  vi.stubGlobal("chrome", {
    runtime: {
      id: "abc",
      async sendMessage(message: Message) {
        told.push(message);
        if (message.type !== "hello") return { value: null };
        const signedIn = session.state === "signed_out" ? null : { userId: "user-1" };
        return { value: { session, sessionId: "session-1", signedIn } };
      },
    },
  });
});

afterEach(() => {
  mini.end();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

async function begin(as: Session): Promise<void> {
  session = as;
  mini = miniInPage();
  await later();
}

async function become(as: Session): Promise<void> {
  session = as;
  await mini.refresh();
  await later();
}

describe("Mini", () => {
  it("is not drawn where nobody knows whether policy hides it", async () => {
    await begin(UNREACHABLE);
    expect(drawn()).toBe(0);
    session = SIGNED_IN;
    await later(2_000);
    expect(drawn()).toBe(1);
  });

  it("stays through an outage where it was shown", async () => {
    await begin(SIGNED_IN);
    await become(UNREACHABLE);
    expect(drawn()).toBe(1);
  });

  it("is not there for whom Mobius refuses", async () => {
    await begin(REFUSED);
    expect(drawn()).toBe(0);
    await become(SIGNED_IN);
    await become(REFUSED);
    expect(drawn()).toBe(0);
    expect(told.at(-1)).toEqual({ type: "shows", patientKey: null });
  });
});

describe("a page that takes Mini away", () => {
  /** Takes away whatever isn't its own, `most` times. */
  function hostile(most: number) {
    const seen = { taken: 0 };
    const observer = new MutationObserver(() => {
      for (const each of document.querySelectorAll("mobius-mini")) {
        if (seen.taken === most) return;
        seen.taken += 1;
        each.remove();
      }
    });
    observer.observe(document.documentElement, { childList: true });
    return Object.assign(seen, { end: () => observer.disconnect() });
  }

  it("once, because it makes its document anew, gets it back", async () => {
    await begin(SIGNED_IN);
    for (let time = 0; time < 10; time += 1) {
      document.querySelector("mobius-mini")?.remove();
      await later(100);
      expect(drawn()).toBe(1);
      await later(60_000);
    }
  });

  it("each time is left alone soon", async () => {
    const page = hostile(300);
    await begin(SIGNED_IN);
    await later(60_000);
    page.end();
    expect(page.taken).toBeGreaterThan(1);
    expect(page.taken).toBeLessThan(10);
    expect(drawn()).toBe(0);
    const asked = told.length;
    await later(600_000);
    expect(told).toHaveLength(asked);
  });
});
