// @vitest-environment happy-dom
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { mountMini } from "../src/mini/mount";
import type { Memory, Remembered } from "../src/mini/place";
import type { Mounted, Session, Sighting } from "../src/ports";
import {
  aConfig,
  aDocument,
  anAck,
  anUnknown,
  aPresence,
  aStatus,
  type FakeSurroundings,
  fakeSurroundings,
  KEY,
  NOW,
  OTHER_KEY,
} from "./mini_fakes";

const ON_PAGE: Sighting = { kind: "detected", sourceSystem: "ehr", externalId: "1", pageSignature: "board" };
const SIGNED_IN: Session = { state: "signed_in", config: aConfig() };

let host: HTMLElement;
let surroundings: FakeSurroundings;
let mini: Mounted;
let stored: unknown;
const openSidecar = vi.fn();
const signIn = vi.fn();
const remember: Memory = {
  read: async () => stored,
  write: async (remembered: Remembered) => {
    stored = remembered;
  },
};

beforeEach(async () => {
  vi.useFakeTimers({ now: NOW });
  stored = undefined;
  await open();
});

afterEach(() => {
  mini.unmount();
  host.remove();
  vi.useRealTimers();
});

async function open(): Promise<void> {
  host = document.createElement("div");
  document.documentElement.append(host);
  surroundings = fakeSurroundings({ openSidecar, signIn, now: () => Date.now() });
  await act(async () => {
    mini = mountMini(host, surroundings, { shadow: "open", remember });
    await vi.advanceTimersByTimeAsync(0);
  });
}

const later = (ms = 0) => act(async () => void (await vi.advanceTimersByTimeAsync(ms)));

/** Signed in beside a patient whom the API answers about with `status`. */
async function beside(status: ReturnType<typeof aStatus> | Error, session = SIGNED_IN): Promise<void> {
  surroundings.api.answers["mini/status"] = () => status;
  mini.become(session);
  mini.show(ON_PAGE);
  await later();
}

const root = () => host.shadowRoot as ShadowRoot;
const panel = () => root().querySelector<HTMLElement>(".mini");
const state = () => panel()?.dataset.state;
const text = () => panel()?.textContent ?? "";
const spoken = () => root().querySelector(".mini > [role=status]")?.textContent;
const isFolded = () => root().querySelector<HTMLElement>(".body")?.hidden;
const find = <T extends HTMLElement>(selector: string): T => {
  const found = root().querySelector<T>(selector);
  if (!found) throw new Error(`no ${selector} in ${root().innerHTML}`);
  return found;
};
const button = (name: string): HTMLButtonElement => {
  const all = [...root().querySelectorAll("button")];
  const found = all.find((each) => each.textContent === name || each.getAttribute("aria-label") === name);
  if (!found) throw new Error(`no button ${name}`);
  return found;
};
async function click(element: HTMLElement): Promise<void> {
  await act(async () => {
    element.click();
    await vi.advanceTimersByTimeAsync(50);
  });
}
async function type(field: HTMLTextAreaElement | HTMLInputElement, typed: string): Promise<void> {
  await act(async () => {
    field.value = typed;
    field.dispatchEvent(new Event("input", { bubbles: true, composed: true }));
    await vi.advanceTimersByTimeAsync(0);
  });
}
async function key(element: HTMLElement, name: string): Promise<void> {
  await act(async () => {
    element.dispatchEvent(
      new KeyboardEvent("keydown", { key: name, bubbles: true, composed: true, cancelable: true }),
    );
    await vi.advanceTimersByTimeAsync(50);
  });
}

describe("each state is drawn", () => {
  it("nothing before it is known who is signed in, and nothing where policy hides it", async () => {
    mini.show(ON_PAGE);
    await later();
    expect(panel()).toBeNull();
    await beside(aStatus({ showMini: false }));
    expect(panel()).toBeNull();
  });

  it("signed out, with a way in", async () => {
    mini.become({ state: "signed_out" });
    await later();
    expect(state()).toBe("signed_out");
    await click(button("Sign in"));
    expect(signIn).toHaveBeenCalledOnce();
  });

  it("loading", async () => {
    mini.become(SIGNED_IN);
    mini.show(ON_PAGE);
    await later();
    expect(state()).toBe("loading");
    expect(root().querySelectorAll(".bone").length).toBeGreaterThan(0);
    expect(root().querySelector("form")).toBeNull();
  });

  it("yellow: who, what, by whom, and Send", async () => {
    await beside(aStatus());
    for (const part of [
      "Yellow",
      "Review before proceeding",
      "Ada Abernale",
      "MRN ····7731 · 17 May 1984",
      "Coverage ends Mar 11, 2026 (+1 more)",
      "Copilot · needs your acknowledgement",
    ]) {
      expect(text()).toContain(part);
    }
    expect(find("svg.indicator").getAttribute("class")).toContain("is-yellow");
    await click(find(".tasking"));
    expect(openSidecar).toHaveBeenCalledWith(KEY);
  });

  it("green: folded to a line with the name, to be unfolded", async () => {
    await beside(aStatus({ color: "green" }));
    expect(isFolded()).toBe(true);
    expect(find(".head").textContent).toContain("Ada Abernale");
    await click(button("Show more"));
    expect(isFolded()).toBe(false);
    expect(button("Show less").getAttribute("aria-expanded")).toBe("true");
  });

  it("green that still needs an acknowledgement is not folded", async () => {
    await beside(aStatus({ color: "green", needs_ack: true }));
    expect(isFolded()).toBe(false);
  });

  it("green never folds under somebody's hands, and unfolds when it is green no more", async () => {
    await beside(aStatus());
    const hear = (document: ReturnType<typeof aDocument>) =>
      act(() => surroundings.live.patients.get(KEY)?.({ liveness: "live", document }));
    await hear(aDocument(4, { color: "green" }));
    expect(isFolded()).toBe(false);
    await click(button("Show less"));
    expect(isFolded()).toBe(true);
    await hear(aDocument(5, { color: "yellow" }));
    expect(isFolded()).toBe(false);
  });

  it("grey", async () => {
    await beside(aStatus({ color: "grey" }));
    expect(text()).toContain("GreyNot assessed yet".replace("Grey", "Grey "));
    expect(find<HTMLSelectElement>("select").value).toBe("grey");
  });

  it("blue with what is known, its words said once", async () => {
    await beside(aStatus({ color: "blue", task: aConfig().texts.proceed.blue ?? "" }));
    expect(find(".open").textContent?.split("Mobius can't tell right now")).toHaveLength(2);
    expect(text()).toContain("Ada Abernale");
  });

  it("blue with nothing known, and then by itself what is", async () => {
    await beside(new Error("no way"));
    expect(state()).toBe("blue");
    expect(text()).toContain("Trying again.");
    surroundings.api.answers["mini/status"] = () => aStatus();
    await later(3000);
    expect(state()).toBe("patient");
  });

  it("not known", async () => {
    await beside(anUnknown());
    expect(text()).toContain("This patient is not known to Mobius.");
    expect(root().querySelector("form")).toBeNull();
  });

  it("no name, where policy hides it", async () => {
    await beside(
      aStatus({ patient: { display_name: null, id_label: null, id_masked: null, dob: "1984" }, mode: null }),
    );
    expect(find(".snapshot").textContent).toBe("Name hidden by policy1984");
  });

  it("a long name is cut with a title, a right-to-left one stands by itself", async () => {
    const name = "مريم عبد الله الحسيني ".repeat(6).trim();
    await beside(aStatus({ patient: { display_name: name } }));
    expect(find("bdi.name").title).toBe(name);
  });

  it("live, and who else looks", async () => {
    await beside(aStatus());
    await act(() => {
      surroundings.live.patients.get(KEY)?.({ liveness: "live", document: aDocument(3) });
      surroundings.live.others.get(KEY)?.({
        liveness: "live",
        document: [aPresence("user-2", "Imre Castellane")],
      });
    });
    expect(find(".liveness").textContent).toBe("Live· seen by 1");
    await act(() => surroundings.live.patients.get(KEY)?.({ liveness: "reconnecting", document: undefined }));
    expect(find(".liveness").textContent).toBe("Reconnecting");
  });

  it("offline: what a Send does then", async () => {
    await beside(aStatus());
    await act(() => surroundings.live.patients.get(KEY)?.({ liveness: "offline", document: undefined }));
    expect(find(".liveness").textContent).toBe("Offline");
    expect(text()).toContain("No network: a Send is kept as a draft until it is back.");
  });

  it("not up to date, when the API can't be asked any more", async () => {
    await beside(aStatus());
    surroundings.api.answers["mini/status"] = () => new Error("no way");
    await later(61_000);
    expect(text()).toContain("Not up to date.");
    expect(text()).toContain("Ada Abernale");
  });

  it("sent: asks at once how things stand now", async () => {
    await beside(aStatus());
    surroundings.api.answers["mini/ack"] = () => anAck();
    await type(find("textarea"), "Called");
    const before = surroundings.api.of("mini/status").length;
    await click(button("Send"));
    expect(text()).toContain("Sent · Dana Whitlow");
    expect(surroundings.api.of("mini/status").length).toBe(before + 1);
  });
});

describe("a screen reader", () => {
  it("hears a change once", async () => {
    await beside(aStatus());
    expect(spoken()).toBe("Ada Abernale. Review before proceeding. Coverage ends Mar 11, 2026 (+1 more)");
    const heard: string[] = [];
    const observer = new MutationObserver(() => heard.push(spoken() ?? ""));
    observer.observe(find(".mini > [role=status]"), { childList: true, characterData: true, subtree: true });
    await later(10_000);
    await act(() => surroundings.live.patients.get(KEY)?.({ liveness: "live", document: aDocument(4) }));
    await later(10_000);
    observer.disconnect();
    expect(heard).toEqual(["Ada Abernale. Nothing needed, go ahead. No open items"]);
  });
});

describe("search", () => {
  const HITS = [
    { id: KEY, name: "Ada Abernale", id_masked: "····7731" },
    { id: OTHER_KEY, name: null, id_masked: "····2" },
  ];
  beforeEach(async () => {
    mini.become(SIGNED_IN);
    await later();
  });

  it("finds by typing, arrow keys and Enter", async () => {
    surroundings.api.answers["mini/patient/search"] = () => ({ results: HITS });
    expect(state()).toBe("no_patient");
    const input = find<HTMLInputElement>("input");
    for (const typed of ["a", "ad", "ada"]) await type(input, typed);
    await later(250);
    expect(surroundings.api.of("mini/patient/search").map(({ body }) => body.q)).toEqual(["ada"]);
    await key(input, "ArrowDown");
    expect(input.getAttribute("aria-activedescendant")).toBe(root().querySelectorAll(".hit")[1]?.id);
    await key(input, "Enter");
    expect(surroundings.api.last("mini/status").body).toMatchObject({ patient_key: OTHER_KEY });
  });

  it("never shows what was found for something typed earlier", async () => {
    const input = find<HTMLInputElement>("input");
    await type(input, "ada");
    await later(250);
    const early = surroundings.api.last("mini/patient/search");
    await type(input, "bo");
    await later(250);
    await act(() => surroundings.api.last("mini/patient/search").answer({ results: [] }));
    await act(() => early.answer({ results: HITS }));
    expect(text()).toContain("No patient found.");
    expect(root().querySelectorAll(".hit")).toHaveLength(0);
  });

  it("picks nobody who was found for something typed earlier", async () => {
    const input = find<HTMLInputElement>("input");
    await type(input, "ada");
    await later(250);
    await act(() => surroundings.api.last("mini/patient/search").answer({ results: HITS }));
    await type(input, "bo");
    const before = surroundings.api.of("mini/status").length;
    await key(input, "Enter");
    // They stay where they are, so that nothing jumps, and can't be picked.
    await click(find(".hit"));
    expect(find(".found").getAttribute("aria-busy")).toBe("true");
    expect(root().querySelector("[aria-selected=true]")).toBeNull();
    expect(input.hasAttribute("aria-activedescendant")).toBe(false);
    expect(surroundings.api.of("mini/status").length).toBe(before);
    expect(state()).toBe("no_patient");
    await type(input, "ada");
    await key(input, "Enter");
    expect(surroundings.api.last("mini/status").body).toMatchObject({ patient_key: KEY });
  });

  it("says who was picked by hand, and drops them when the page goes elsewhere", async () => {
    surroundings.api.answers["mini/patient/search"] = () => ({ results: HITS });
    surroundings.api.answers["mini/status"] = ({ patient_key }) =>
      patient_key ? aStatus({ color: "green" }) : anUnknown();
    const input = find<HTMLInputElement>("input");
    await type(input, "ada");
    await later(250);
    await key(input, "Enter");
    await later();
    expect(find(".head").textContent).toContain("Ada Abernale · picked by hand");
    await click(button("Show more"));
    expect(find(".snapshot").textContent).toContain("Picked by hand");
    const address = location.href;
    history.pushState({}, "", "#/records/zoe");
    await act(() => void dispatchEvent(new Event("hashchange")));
    expect(state()).toBe("no_patient");
    expect(text()).not.toContain("Ada Abernale");
    history.replaceState({}, "", address);
  });

  it("says when it can't be asked", async () => {
    await type(find("input"), "ada");
    await later(250);
    await act(() =>
      surroundings.api.last("mini/patient/search").fail(503, { detail: "The database is away." }),
    );
    expect(text()).toContain("The database is away.");
  });

  it("corrects the page's patient by hand, and goes back", async () => {
    await beside(aStatus());
    surroundings.api.answers["mini/patient/search"] = () => ({ results: [HITS[1]] });
    surroundings.api.answers["mini/status"] = ({ patient_key }) =>
      aStatus({ patient: patient_key ? { patient_key: OTHER_KEY, display_name: "Bo Ashgrove" } : {} });
    await click(button("Wrong patient?"));
    await type(find("input"), "bo");
    await later(250);
    await click(find(".hit"));
    expect(text()).toContain("Bo Ashgrove");
    await click(button("Back to the page's patient"));
    expect(text()).toContain("Ada Abernale");
  });
});

describe("the widget", () => {
  it("minimizes by Escape to a dot that says what it shows, and opens again", async () => {
    await beside(aStatus());
    await key(find("textarea"), "Escape");
    expect(find(".dot").getAttribute("aria-label")).toBe("Open Mobius. Yellow: Review before proceeding.");
    await later(300);
    expect(stored).toMatchObject({ minimized: true });
    await click(find(".dot"));
    expect(root().querySelector(".dot")).toBeNull();
    expect(surroundings.api.last("mini/interaction").body).toMatchObject({
      kind: "opened",
      patient_key: KEY,
    });
  });

  it("is where and as it was left, and remembers nothing of a patient", async () => {
    await beside(aStatus());
    await key(find("textarea"), "Escape");
    await later(300);
    expect(JSON.stringify(stored)).not.toMatch(/Ada|7731|patient-key/);
    mini.unmount();
    host.remove();
    await open();
    await beside(aStatus());
    expect(root().querySelector(".dot")).not.toBeNull();
  });

  it("does without its memory", async () => {
    mini.unmount();
    host.remove();
    for (const junk of [{ minimized: "yes" }, "x", { minimized: true, place: { side: "up" } }]) {
      stored = junk;
      await open();
      await beside(aStatus());
      expect(root().querySelector(".dot")).toBeNull();
      mini.unmount();
      host.remove();
    }
    await open();
  });

  it("says that a draft is kept only while it is somebody's who shows", async () => {
    await beside(aStatus());
    await type(find("textarea"), "About Ada");
    await key(find("textarea"), "Escape");
    expect(find(".dot").getAttribute("aria-label")).toContain("A draft is kept.");
    mini.show(null);
    await later();
    expect(state()).toBe("no_patient");
    expect(find(".dot").getAttribute("aria-label")).not.toContain("A draft is kept.");
  });

  it("does not take for seen what came while it was minimized", async () => {
    await beside(aStatus());
    await type(find("textarea"), "Called");
    await key(find("textarea"), "Escape");
    await act(() => surroundings.live.patients.get(KEY)?.({ liveness: "live", document: aDocument(4) }));
    await later(60_000);
    await click(find(".dot"));
    expect(find<HTMLSelectElement>("select").value).toBe("yellow");
    await later(1100);
    expect(find<HTMLSelectElement>("select").value).toBe("green");
  });

  it("keeps its events from the page", async () => {
    await beside(aStatus());
    const heard: string[] = [];
    const names = ["keydown", "keyup", "input", "click", "focusin", "paste"];
    for (const name of names) document.addEventListener(name, (event) => heard.push(event.type));
    for (const name of names)
      find("textarea").dispatchEvent(new Event(name, { bubbles: true, composed: true }));
    expect(heard).toEqual([]);
  });

  it("keeps a draft through a change of patients, and shows it at nobody else's name", async () => {
    await beside(aStatus());
    await type(find("textarea"), "About Ada");
    surroundings.api.answers["mini/status"] = () =>
      aStatus({ patient: { patient_key: OTHER_KEY, display_name: "Bo Ashgrove" } });
    mini.show({ ...ON_PAGE, externalId: "2" });
    await later();
    expect(find<HTMLTextAreaElement>("textarea").value).toBe("");
    surroundings.api.answers["mini/status"] = () => aStatus({ color: "green" });
    mini.show(ON_PAGE);
    await later();
    await later();
    expect(find<HTMLTextAreaElement>("textarea").value).toBe("About Ada");
    expect(isFolded()).toBe(false);
  });

  it("leaves nothing behind", async () => {
    await beside(aStatus());
    await type(find("textarea"), "Called");
    await click(button("Send"));
    mini.unmount();
    await surroundings.api.last("mini/ack").answer(anAck());
    const calls = surroundings.api.calls.length;
    document.dispatchEvent(new Event("visibilitychange"));
    dispatchEvent(new Event("online"));
    await later(600_000);
    expect(surroundings.api.calls.length).toBe(calls);
    expect(root().childElementCount).toBe(0);
    expect(surroundings.live.patients.size).toBe(0);
  });

  it("asks again at once when the network is back", async () => {
    await beside(aStatus());
    const before = surroundings.api.of("mini/status").length;
    dispatchEvent(new Event("online"));
    expect(surroundings.api.of("mini/status").length).toBe(before + 1);
  });
});
