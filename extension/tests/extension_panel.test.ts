// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import shipped from "../src/extension/config.json";
import type { Message } from "../src/extension/messages";
import { beginPanel } from "../src/extension/panel/begin";
import type { Session } from "../src/ports";
import { config } from "./sidecar_fakes";

const REFUSED: Session = { state: "refused", problem: "Your account is not active." };

let session: Session;
let place: HTMLElement;
const hearing: ((changes: object) => void)[] = [];

const event = { addListener: () => {}, removeListener: () => {} };
const settle = () => vi.advanceTimersByTimeAsync(100);

beforeEach(() => {
  vi.useFakeTimers();
  place = document.createElement("div");
  document.body.append(place);
  vi.stubGlobal("fetch", async () => Response.json(shipped));
  vi.stubGlobal("chrome", {
    runtime: {
      id: "abc",
      getURL: (path: string) => path,
      async sendMessage({ type }: Message) {
        if (type !== "hello") return { value: null };
        return { value: { session, sessionId: "session-1", signedIn: { userId: "user-1" } } };
      },
    },
    windows: { getCurrent: async () => ({ id: 1 }) },
    tabs: { query: async () => [], onActivated: event },
    permissions: { contains: async () => true, onAdded: event, onRemoved: event },
    storage: {
      session: {
        get: async () => ({}),
        onChanged: { addListener: (act: (changes: object) => void) => hearing.push(act) },
      },
    },
  });
});

afterEach(() => {
  place.remove();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

describe("the panel of whom Mobius refuses", () => {
  it("says so in the API's words, keeps nothing of before and lets them sign out", async () => {
    session = { state: "signed_in", config: config({}) };
    void beginPanel(place);
    await settle();
    const sidecar = () => place.querySelector(".drawn")?.shadowRoot;
    expect(sidecar()?.textContent).toContain("No patient");
    session = REFUSED;
    for (const hear of hearing) hear({ epoch: {} });
    await settle();
    expect(sidecar()?.querySelector("h2")?.textContent).toBe("Not allowed");
    expect(sidecar()?.textContent).toContain("Your account is not active.");
    expect(sidecar()?.textContent).not.toMatch(/No patient|reached/);
    expect(place.querySelector("footer")?.textContent).toContain("Sign out");
  });
});
