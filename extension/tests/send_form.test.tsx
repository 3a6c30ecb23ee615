// @vitest-environment happy-dom
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Config } from "../src/api/types";
import { fromStatus, type Shown } from "../src/patient/shown";
import { SendForm, type SendFormProps } from "../src/send/SendForm";
import {
  aConfig,
  anAck,
  aStatus,
  type FakeSurroundings,
  fakeSurroundings,
  NOW,
  OTHER_KEY,
} from "./mini_fakes";

let root: HTMLElement;
let surroundings: FakeSurroundings;
const onSent = vi.fn();

const shownAs = (...change: Parameters<typeof aStatus>): Shown => {
  const shown = fromStatus(aStatus(...change));
  if (!shown) throw new Error("nobody is shown");
  return shown;
};

async function draw(
  shown: Shown,
  config: Config = aConfig(),
  more: Partial<SendFormProps> = {},
): Promise<void> {
  await act(async () => {
    render(
      <SendForm
        surface="mini"
        surroundings={surroundings}
        config={config}
        shown={shown}
        onSent={onSent}
        {...more}
      />,
      root,
    );
    await vi.advanceTimersByTimeAsync(0);
  });
}

function find<T extends Element>(selector: string): T {
  const found = root.querySelector<T>(selector);
  if (!found) throw new Error(`no ${selector} in ${root.innerHTML}`);
  return found;
}
const note = () => find<HTMLTextAreaElement>("textarea");
const proceed = () => find<HTMLSelectElement>("select");
const tasking = () => find<HTMLSelectElement>(".send-field:nth-of-type(2) select");
const send = () => find<HTMLButtonElement>("button.main");
const enabled = () => send().getAttribute("aria-disabled") === "false";
const spoken = () => find("[role=status]").textContent;
const acks = () => surroundings.api.of("mini/ack");

async function type(text: string): Promise<void> {
  await act(async () => {
    note().value = text;
    note().dispatchEvent(new Event("input", { bubbles: true }));
    await vi.advanceTimersByTimeAsync(0);
  });
}
async function choose(select: HTMLSelectElement, value: string): Promise<void> {
  await act(async () => {
    select.value = value;
    select.dispatchEvent(new Event("change", { bubbles: true }));
    await vi.advanceTimersByTimeAsync(0);
  });
}
async function press(times = 1): Promise<void> {
  await act(async () => {
    for (let count = 0; count < times; count += 1) {
      find("form").dispatchEvent(new Event("submit", { bubbles: true, cancelable: true }));
    }
    await vi.advanceTimersByTimeAsync(0);
  });
}
const later = (ms: number) => act(async () => void (await vi.advanceTimersByTimeAsync(ms)));
const answer = (...change: Parameters<typeof anAck>) =>
  act(() => surroundings.api.last("mini/ack").answer(anAck(...change)));
const fail = (...how: Parameters<FakeSurroundings["api"]["calls"][0]["fail"]>) =>
  act(() => surroundings.api.last("mini/ack").fail(...how));

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  root = document.createElement("div");
  document.body.append(root);
  surroundings = fakeSurroundings({ now: () => Date.now() });
  onSent.mockClear();
});

afterEach(() => {
  render(null, root);
  root.remove();
  vi.useRealTimers();
});

describe("Send", () => {
  it("is enabled once there is a note, with Proceed preset to the system's", async () => {
    await draw(shownAs());
    expect([proceed().value, tasking().value, enabled()]).toEqual(["yellow", "", false]);
    await type("   ");
    expect(enabled()).toBe(false);
    await type(" Called the patient ");
    expect(enabled()).toBe(true);
    await press();
    expect(acks()).toHaveLength(1);
    expect(acks()[0]?.body).toEqual({
      session_id: "session-1",
      site: "ehr.example",
      patient_key: shownAs().patientKey,
      note_text: "Called the patient",
      override_proceed: "yellow",
      override_tasking: null,
      system_response_id: "response-3",
    });
  });

  it("says that a note is missing once it was pressed without one, and not before", async () => {
    await draw(shownAs());
    expect(document.body.textContent).not.toContain("Write a note first.");
    await press();
    expect(note().getAttribute("aria-invalid")).toBe("true");
    expect(document.body.textContent).toContain("Write a note first.");
    await type("Called.");
    expect(document.body.textContent).not.toContain("Write a note first.");
  });

  it("sends once, however often it is pressed", async () => {
    await draw(shownAs());
    await type("Called");
    await press(3);
    await press();
    expect(acks()).toHaveLength(1);
    expect(send().textContent).toBe("Sending…");
  });

  it("sends by Ctrl+Enter, and not while a word is composed", async () => {
    await draw(shownAs());
    await type("Called");
    const enter = (more: KeyboardEventInit) =>
      act(
        () =>
          void note().dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, ...more })),
      );
    await enter({});
    await enter({ ctrlKey: true, isComposing: true });
    expect(acks()).toHaveLength(0);
    await enter({ ctrlKey: true });
    expect(acks()).toHaveLength(1);
  });

  it("says who sent and when, forgets the draft and tells its owner", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    await answer();
    expect(note().value).toBe("");
    expect(find(".ack").textContent).toContain("Sent · Dana Whitlow · just now");
    expect(spoken()).toBe("Sent.");
    expect(onSent).toHaveBeenCalledOnce();
    expect(surroundings.drafts.kept.size).toBe(0);
    await type("More");
    expect(root.querySelector(".is-sent")).toBeNull();
  });

  it("says when a newer response still waits", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    await answer({ superseded: true, needs_ack: true });
    expect(find(".ack").textContent).toContain("The newer one still waits for somebody.");
  });

  it("can only confirm where the role may not override, and says so", async () => {
    await draw(shownAs(), aConfig({ override: false }));
    expect([proceed().disabled, tasking().disabled]).toEqual([true, true]);
    expect(root.textContent).toContain("Your role confirms what the system shows");
    await type("Seen");
    await press();
    expect(acks()[0]?.body).toMatchObject({ override_proceed: "yellow", override_tasking: null });
  });

  it("sends what is on screen, also when the role gains or loses override meanwhile", async () => {
    await draw(shownAs(), aConfig({ override: false }));
    await type("Not covered");
    await draw(shownAs(), aConfig({ override: true }));
    await choose(proceed(), "green");
    await choose(tasking(), "act");
    await press();
    expect(acks()[0]?.body).toMatchObject({ override_proceed: "green", override_tasking: "act" });
    await fail(0);
    await draw(shownAs(), aConfig({ override: false }));
    expect([proceed().value, tasking().value]).toEqual(["yellow", ""]);
    await press();
    expect(acks()[1]?.body).toMatchObject({ override_proceed: "yellow", override_tasking: null });
    expect(acks()[1]?.options?.idempotencyKey).not.toBe(acks()[0]?.options?.idempotencyKey);
  });

  it("wants a value for blue", async () => {
    await draw(shownAs({ color: "blue" }));
    await type("Called");
    expect([proceed().value, enabled()]).toEqual(["", false]);
    expect(root.textContent).toContain("Choose a Proceed or a Tasking value.");
    await choose(tasking(), "act");
    expect(enabled()).toBe(true);
  });

  it("has nothing to confirm in blue", async () => {
    await draw(shownAs({ color: "blue" }), aConfig({ override: false }));
    await type("Called");
    expect(enabled()).toBe(false);
    expect(root.textContent).toContain("there is nothing to confirm");
  });

  it("is not possible where nothing was surfaced", async () => {
    await draw(shownAs({ system_response_id: null }));
    await type("Called");
    expect(enabled()).toBe(false);
    expect(send().title).toBe("There is nothing to acknowledge for this patient yet.");
  });
});

describe("a refused Send", () => {
  it("shows each field's message at its field", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    await fail(422, {
      errors: [
        { field: "note_text", message: "must be 1 to 4,000 characters" },
        { field: "override_tasking", message: "must be one of none, review, act" },
      ],
    });
    expect(note().getAttribute("aria-invalid")).toBe("true");
    const described = note().getAttribute("aria-describedby");
    expect(root.querySelector(`#${CSS.escape(described ?? "")}`)?.textContent).toBe(
      "Must be 1 to 4,000 characters.",
    );
    expect(tasking().getAttribute("aria-invalid")).toBe("true");
    expect(note().value).toBe("Called");
    await type("Called again");
    expect(note().getAttribute("aria-invalid")).toBe("false");
  });

  it("shows a sentence where it is about no field, and a new try has a new key", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    const key = acks()[0]?.options?.idempotencyKey;
    await fail(403, { detail: "Your role may not do this." });
    expect(root.textContent).toContain("Your role may not do this.");
    await press();
    expect(acks()[1]?.options?.idempotencyKey).not.toBe(key);
  });

  it("is kept with its key when its fate is not known", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    const keys = new Set([acks()[0]?.options?.idempotencyKey]);
    for (const status of [0, 409, 429, 503, 500]) {
      await fail(status);
      expect(root.textContent).toContain("Your draft is kept: press Send again");
      expect(note().value).toBe("Called");
      await press();
      keys.add(surroundings.api.last("mini/ack").options?.idempotencyKey);
    }
    expect(keys.size).toBe(1);
    await fail(0);
    await type("Called twice");
    await press();
    expect(keys.has(surroundings.api.last("mini/ack").options?.idempotencyKey)).toBe(false);
  });
});

describe("a Send that may be stored already", () => {
  const keys = () => acks().map(({ options }) => options?.idempotencyKey);

  it("keeps its key through a refusal, and through a refused other one", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    await fail(0);
    await press();
    await fail(403);
    await press();
    await fail(403);
    await type("Called twice");
    await press();
    await fail(403);
    await type("Called");
    await press();
    const [first, , , other] = keys();
    expect(keys()).toEqual([first, first, first, other, first]);
    expect(other).not.toBe(first);
  });

  it("keeps its key when the role changes and what is said does not", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    await fail(0);
    await draw(shownAs(), aConfig({ override: false }));
    await press();
    expect(acks()[1]?.body).toEqual(acks()[0]?.body);
    expect(new Set(keys()).size).toBe(1);
  });
});

describe("a draft", () => {
  it("belongs to its tab: another one's is not shared, and not sent by both", async () => {
    await draw(shownAs());
    await type("About the first");
    const { drafts } = surroundings;
    surroundings = { ...fakeSurroundings({ sessionId: "session-2" }), drafts };
    await draw(shownAs());
    expect(note().value).toBe("");
    await type("Another");
    expect(drafts.kept.size).toBe(2);
  });

  it("survives a reload with its key, and is never sent by itself", async () => {
    await draw(shownAs());
    await type("Called");
    await choose(tasking(), "act");
    await press();
    await fail(0);
    const { idempotencyKey } = surroundings.api.last("mini/ack").options ?? {};
    render(null, root);
    const { drafts } = surroundings;
    surroundings = { ...fakeSurroundings(), drafts };
    await draw(shownAs());
    await later(5000);
    expect([note().value, tasking().value]).toEqual(["Called", "act"]);
    expect(root.textContent).toContain("No answer came. Your draft is kept");
    expect(acks()).toHaveLength(0);
    await press();
    expect(acks()[0]?.options?.idempotencyKey).toBe(idempotencyKey);
  });

  it("has a key that the API takes, also on a page over plain HTTP", async () => {
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
    await draw(shownAs());
    await type("Called");
    await press();
    vi.unstubAllGlobals();
    expect(acks()[0]?.options?.idempotencyKey).toMatch(/^[0-9a-f]{32}$/);
  });

  it("tells once that something was typed, not by key stroke", async () => {
    await draw(shownAs());
    for (const text of ["C", "Ca", "Cal", "", "C"]) await type(text);
    expect(surroundings.api.of("mini/interaction").map(({ body }) => body.kind)).toEqual(["typed"]);
  });

  it("is its user's and its patient's alone", async () => {
    await draw(shownAs());
    await type("About the first");
    await draw(shownAs({ patient: { patient_key: OTHER_KEY } }));
    expect(note().value).toBe("");
    await draw(shownAs(), aConfig({ userId: "user-2" }));
    expect(note().value).toBe("");
    await draw(shownAs());
    expect(note().value).toBe("About the first");
  });

  it("is not taken from a storage that holds something else", async () => {
    surroundings.drafts.read = async () => ({ note: 7 });
    await draw(shownAs());
    expect(note().value).toBe("");
  });

  it("does without a storage", async () => {
    surroundings.drafts.read = () => Promise.reject(new Error("gone"));
    surroundings.drafts.write = () => Promise.reject(new Error("gone"));
    await draw(shownAs());
    await type("Called");
    await press();
    expect(acks()).toHaveLength(1);
  });

  it("that is begun before the kept one was read counts", async () => {
    let read = (_draft: unknown) => {};
    surroundings.drafts.read = () => new Promise((resolve) => (read = resolve));
    await draw(shownAs());
    await type("New");
    await act(async () => read({ note: "Old", proceed: null, tasking: null, begunOn: null, attempt: null }));
    expect(note().value).toBe("New");
  });
});

describe("something newer while I write", () => {
  const NEWER = {
    color: "green",
    version: 4,
    system_response_id: "response-4",
    computed_at: "2026-03-02T14:59:56Z",
  } as const;

  it("is said, and the draft stays", async () => {
    await draw(shownAs());
    await type("Called");
    await draw(shownAs(NEWER));
    expect(find(".news").textContent).toBe("Changed 4 s ago: now Green. Your draft is kept.");
    expect(spoken()).toBe("Changed while you write: now Green. Your draft is kept.");
    expect(note().value).toBe("Called");
  });

  it("is what a Send answers once there was time to see it; what I chose stays", async () => {
    await draw(shownAs());
    await type("Called");
    await draw(shownAs(NEWER));
    expect(proceed().value).toBe("yellow");
    await later(1100);
    expect(proceed().value).toBe("green");
    await press();
    expect(acks()[0]?.body).toMatchObject({ override_proceed: "green", system_response_id: "response-4" });
  });

  it("is not answered by a press that was on its way", async () => {
    await draw(shownAs());
    await type("Called");
    await draw(shownAs(NEWER));
    await later(100);
    await press();
    expect(acks()[0]?.body).toMatchObject({ override_proceed: "yellow", system_response_id: "response-3" });
  });

  it("is not seen while the tab is hidden", async () => {
    let visibility = "visible";
    const spy = vi.spyOn(document, "visibilityState", "get");
    spy.mockImplementation(() => visibility as DocumentVisibilityState);
    const turn = (to: string) =>
      act(() => {
        visibility = to;
        document.dispatchEvent(new Event("visibilitychange"));
      });
    await draw(shownAs());
    await type("Called");
    await turn("hidden");
    await draw(shownAs(NEWER));
    await later(60_000);
    await turn("visible");
    await later(900);
    expect(proceed().value).toBe("yellow");
    await later(200);
    expect(proceed().value).toBe("green");
    spy.mockRestore();
  });

  it("is not seen while the form is not on the screen", async () => {
    await draw(shownAs());
    await type("Called");
    await draw(shownAs(NEWER), aConfig(), { onScreen: false });
    await later(60_000);
    await draw(shownAs(NEWER));
    await press();
    expect(acks()[0]?.body).toMatchObject({ override_proceed: "yellow", system_response_id: "response-3" });
  });

  it("does not move what I chose", async () => {
    await draw(shownAs());
    await type("Called");
    await choose(proceed(), "grey");
    expect(root.textContent).toContain("Overrides Yellow");
    await draw(shownAs(NEWER));
    await later(1100);
    expect(proceed().value).toBe("grey");
    expect(root.textContent).toContain("Overrides Green");
  });

  it("shows at once where nothing is begun", async () => {
    await draw(shownAs());
    await draw(shownAs(NEWER));
    expect(proceed().value).toBe("green");
    expect(root.querySelector(".news")).toBeNull();
  });

  it("also somebody else's Send is a line and overwrites nothing", async () => {
    await draw(shownAs());
    await type("I was about to");
    const last_submission = {
      who: "Imre Castellane",
      when: "2026-03-02T14:59:56Z",
      override_proceed: "green",
      override_tasking: null,
      confirmed: false,
      superseded: false,
    } as const;
    await draw(shownAs({ last_submission }));
    expect(find(".ack").textContent).toContain("Acknowledged by Imre Castellane 4 s ago: as Green");
    expect(spoken()).toContain("Imre Castellane");
    expect(note().value).toBe("I was about to");
    expect(enabled()).toBe(true);
  });
});

describe("a Send whose patient was left", () => {
  it("is still under way when they come back, and can't be pressed twice", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    await draw(shownAs({ patient: { patient_key: OTHER_KEY } }));
    await draw(shownAs());
    expect(send().textContent).toBe("Sending…");
    await press();
    expect(acks()).toHaveLength(1);
    await answer();
    expect(note().value).toBe("");
    expect(surroundings.drafts.kept.size).toBe(0);
  });

  it("forgets its draft although nobody looks any more", async () => {
    await draw(shownAs());
    await type("Called");
    await press();
    render(null, root);
    await answer();
    await draw(shownAs());
    expect(note().value).toBe("");
    expect(surroundings.drafts.kept.size).toBe(0);
  });
});
