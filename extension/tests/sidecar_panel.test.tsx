// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { mountSidecar } from "../src/sidecar/mount";
import * as fakes from "./sidecar_fakes";
import { Fake, KEY, ME, OTHER } from "./sidecar_fakes";

let fake: Fake;
let host: HTMLElement;
let sidecar: ReturnType<typeof mountSidecar>;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new Fake();
  host = document.createElement("div");
  document.body.append(host);
  sidecar = mountSidecar(host, fake.surroundings, { shadow: "open" });
});

afterEach(() => {
  sidecar.unmount();
  host.remove();
  vi.useRealTimers();
});

const drawn = () => vi.advanceTimersByTimeAsync(50);
const root = () => host.shadowRoot as ShadowRoot;
const all = (selector: string) => [...root().querySelectorAll<HTMLElement>(selector)];
const texts = (selector: string) => all(selector).map((each) => each.textContent?.trim());
const spoken = () => texts(".spoken[role=status]").join(" ");

function button(name: string): HTMLElement {
  const found = all("button").find((each) =>
    (each.getAttribute("aria-label") ?? each.textContent)?.startsWith(name),
  );
  if (!found) throw new Error(`no button ${name} among ${texts("button").join(", ")}`);
  return found;
}

async function press(name: string): Promise<void> {
  button(name).click();
  await drawn();
}

async function signIn(permissions?: Parameters<typeof fakes.config>[1]): Promise<void> {
  sidecar.become({ state: "signed_in", config: fakes.config({}, permissions) });
  await drawn();
}

async function shown(parts: fakes.StateParts = {}, patientKey = KEY): Promise<void> {
  sidecar.show({ kind: "picked", patientKey });
  await drawn();
  await fake.next("sidecar/state").answer(fakes.state(patientKey, parts));
  await drawn();
}

describe("a patient", () => {
  test("has every section, in the order of the handbook, below their name", async () => {
    await signIn();
    await shown();
    expect(texts("h2")).toEqual(["Ada Abernale"]);
    expect(all("[data-place]").map((each) => each.dataset.place)).toEqual([
      "why",
      "send",
      "items",
      "history",
      "ask",
      "here",
    ]);
  });

  test("why: what decided comes first", async () => {
    await signIn();
    await shown();
    expect(texts(".reasons p:first-child")).toEqual(["Coverage ends", "Appointment tomorrow"]);
  });

  test("a change is spoken once, and a patient when they come", async () => {
    await signIn();
    await shown();
    expect(spoken()).toContain("Ada Abernale. Yellow. Review.");
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    await drawn();
    expect(spoken()).toContain("Changed: Green. Go ahead. Tasks of version 2");
    const before = spoken();
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    await drawn();
    expect(spoken()).toBe(before);
  });

  test("what is not live says so, and how old it is", async () => {
    await signIn();
    await shown();
    fake.push(KEY, fakes.document(KEY, 1, "yellow"));
    await vi.advanceTimersByTimeAsync(10_000);
    fake.push(KEY, undefined, "offline");
    await vi.advanceTimersByTimeAsync(30_000);
    expect(texts(".notice")).toEqual([
      expect.stringMatching(/^You are offline. Drafts are kept. What shows was known (2\d|30) s ago.$/),
    ]);
    // Spoken once, without the age that moves on.
    expect(spoken()).toContain("You are offline. Drafts are kept.");
    expect(spoken()).not.toContain("ago");
    fake.push(KEY, fakes.document(KEY, 1, "yellow"));
    await drawn();
    expect(spoken()).toContain("Live again.");
    expect(texts(".notice")).toEqual([]);
  });

  test("when only the API is away, live documents still count, and no age is claimed", async () => {
    await signIn();
    await shown();
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    await vi.advanceTimersByTimeAsync(700);
    await fake.next("sidecar/state").refuse(fakes.problem(503));
    await drawn();
    expect(texts(".proceed b")).toEqual(["Green"]);
    expect(texts(".notice")).toEqual(["Problem 503. Try again"]);
  });

  test("another one than on the page says so, and leads back", async () => {
    await signIn();
    await shown();
    sidecar.open(OTHER);
    await drawn();
    await fake.next("sidecar/state").answer(fakes.state(OTHER, { name: "Bo Other" }));
    await drawn();
    expect(texts(".notice")[0]).toContain("Not the patient on the page");
    await press("Back");
    expect(fake.shown.at(-1)).toBe(KEY);
    expect(texts(".notice")).toEqual([]);
  });
});

describe("what the role may not do is not offered", () => {
  test("neither dismiss nor the glass nor the audit, nor history", async () => {
    await signIn({ dismiss: false, break_glass: false, audit: false, history: false });
    await shown({ history: [fakes.event(1)] });
    expect(all("[aria-haspopup=menu]")).toEqual([]);
    expect(texts("h3")).not.toContain("History");
  });

  test("no Sidecar: says so, and offers the glass", async () => {
    await signIn({ sidecar: false });
    sidecar.show({ kind: "picked", patientKey: KEY });
    await drawn();
    expect(texts("h2")).toEqual(["No Sidecar for your role"]);
    await press("Break the glass…");
    expect(texts(".sheet h3")).toEqual(["Break the glass"]);
    expect(fake.calls).toEqual([]);
  });
});

describe("dismiss", () => {
  const openDialog = async () => {
    await press("More");
    await press("Dismiss…");
  };

  test("needs a reason, and is sent once", async () => {
    await signIn();
    await shown();
    await openDialog();
    all(".sheet form")
      .at(0)
      ?.dispatchEvent(new Event("submit", { cancelable: true }));
    expect(fake.of("sidecar/dismiss")).toHaveLength(0);
    all(".choice input")[1]?.click();
    await drawn();
    for (let time = 0; time < 2; time++) {
      all(".sheet form")[0]?.dispatchEvent(new Event("submit", { cancelable: true }));
      await drawn();
    }
    expect(fake.of("sidecar/dismiss").map((call) => call.body)).toEqual([
      { session_id: "s", patient_key: KEY, reason: "not_now", system_response_id: "response-1" },
    ]);
    await fake.next("sidecar/dismiss").answer({ outcome: "dismissed" });
    await drawn();
    expect(all(".sheet")).toEqual([]);
    expect(spoken()).toContain("Dismissed.");
  });

  test("of what changed meanwhile waits until the new one was read", async () => {
    await signIn();
    await shown();
    await openDialog();
    all(".choice input")[0]?.click();
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    await drawn();
    const submit = () => all(".sheet form")[0]?.dispatchEvent(new Event("submit", { cancelable: true }));
    submit();
    await drawn();
    expect(fake.of("sidecar/dismiss")).toHaveLength(0);
    await press("Dismiss the new one");
    submit();
    await drawn();
    expect(fake.next("sidecar/dismiss").body.system_response_id).toBe("response-2");
  });

  test("that is refused says why and can be tried again", async () => {
    await signIn();
    await shown();
    await openDialog();
    all(".choice input")[0]?.click();
    await drawn();
    all(".sheet form")[0]?.dispatchEvent(new Event("submit", { cancelable: true }));
    await fake.next("sidecar/dismiss").refuse(fakes.problem(503));
    await drawn();
    expect(texts(".sheet .problem")).toEqual(["Problem 503."]);
    expect(button("Dismiss").getAttribute("aria-disabled")).toBe("false");
  });

  test("what was settled already can't be dismissed", async () => {
    await signIn({ break_glass: false, audit: false });
    sidecar.show({ kind: "picked", patientKey: KEY });
    await drawn();
    const settled = fakes.state(KEY);
    settled.patient_state.outcome = "acknowledged";
    await fake.next("sidecar/state").answer(settled);
    await drawn();
    expect(all("[aria-haspopup=menu]")).toEqual([]);
  });
});

describe("open items", () => {
  test("name no patient before this session has opened them", async () => {
    await signIn();
    const items = [fakes.item(1), fakes.item(2, { patient_key: OTHER, claimed_by: ME })];
    await fake.next("sidecar/inbox").answer(fakes.inboxAnswer(items, 61, "c"));
    await drawn();
    expect(texts(".count")).toEqual(["61"]);
    expect(root().textContent).not.toContain("Ada");
    all(".item-open")[0]?.click();
    await drawn();
    await fake.next("sidecar/state").answer(fakes.state(KEY, { openCount: 61 }));
    await drawn();
    expect(texts(".item-title")).toEqual(["CoverageAda Abernale", "Coverage"]);
    expect(texts(".item .small")[1]).toContain("claimed by you");
    expect(root().activeElement?.textContent).toBe("Ada Abernale");
  });

  test("are few beside a patient, and as many as somebody asks for", async () => {
    await signIn();
    sidecar.show({ kind: "picked", patientKey: KEY });
    const items = Array.from({ length: 20 }, (_, number) => fakes.item(number));
    await fake.next("sidecar/inbox").answer(fakes.inboxAnswer(items, 60, "c"));
    await drawn();
    expect(all(".item")).toHaveLength(20);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { openCount: 60 }));
    await drawn();
    expect(all(".item")).toHaveLength(5);
    await press("Show 20 more of 55");
    const next = Array.from({ length: 20 }, (_, number) => fakes.item(20 + number));
    await fake.next("sidecar/inbox").answer(fakes.inboxAnswer(next, 60, "d"));
    await drawn();
    expect(all(".item")).toHaveLength(25);
    await press("Show 20 more of 35");
    expect(fake.next("sidecar/inbox").body.cursor).toBe("d");
  });

  test("a claim that was lost offers to take over", async () => {
    await signIn();
    await fake.next("sidecar/inbox").answer(fakes.inboxAnswer([fakes.item(1)]));
    await drawn();
    await press("Claim");
    await fake.next("sidecar/assignment/claim").refuse(fakes.problem(409, "Already claimed"));
    await fake.next("sidecar/inbox").answer(fakes.inboxAnswer([fakes.item(1, { claimed_by: "somebody" })]));
    await drawn();
    expect(texts(".item-more")).toEqual(["Somebody was faster: claimed by a colleague."]);
    await press("Take over");
    expect(fake.next("sidecar/assignment/claim").body.take_over).toBe(true);
  });
});

describe("ask", () => {
  test("shows the answer with its sources, and keeps it while another patient shows", async () => {
    await signIn();
    await shown();
    await press("What is open?");
    const answer = {
      reply: "Two tasks.\n\n• One.\n• Two.",
      sources: [{ kind: "signal", id: "x", text: "A signal." }],
    };
    await fake.next("sidecar/chat/message").answer(answer);
    await drawn();
    expect(texts(".reply p")).toEqual(["Two tasks.", "One.", "Two."]);
    expect(texts(".sources li")).toEqual(["A signal."]);
    await shown({ name: "Bo Other" }, OTHER);
    expect(texts(".question")).toEqual([]);
    await shown();
    expect(texts(".question")[0]).toContain("What is open?");
  });

  test("a reply is text, whatever is in it", async () => {
    await signIn();
    await shown();
    await press("What changed?");
    await fake.next("sidecar/chat/message").answer({ reply: "<img src=x onerror=1>", sources: [] });
    await drawn();
    expect(all(".reply img")).toEqual([]);
  });
});

test("who is here: the others first, two tabs of one user in one line", async () => {
  await signIn();
  await shown();
  const tab = (user_id: string, surface_type: "mini" | "sidecar") => ({
    user_id,
    user_display_name: user_id === ME ? "Imre Castellane" : "Dana Whitlow",
    application_id: null,
    page_signature: null,
    surface_type,
    patient_key: KEY,
    status: "open" as const,
    last_seen_at: Date.now(),
    expires_at: Date.now() + 60_000,
  });
  const document = [tab(ME, "sidecar"), tab("dana", "sidecar"), tab("dana", "mini")];
  fake.hearers.presence.get(KEY)?.({ liveness: "live", document });
  fake.push(KEY, fakes.document(KEY, 1, "yellow"));
  await drawn();
  expect(texts(".people li")).toEqual([
    expect.stringMatching(/^Dana WhitlowMini, Sidecar · seen/),
    expect.stringMatching(/^Imre Castellane \(you\)Sidecar · seen/),
  ]);
  expect(texts(".foot")[0]).toContain("seen by 1");
});

describe("without a patient", () => {
  test("each state of the session says what is the matter", async () => {
    expect(all(".skeleton").length).toBeGreaterThan(0);
    sidecar.become({ state: "signed_out" });
    await drawn();
    expect(texts("h2")).toEqual(["Signed out"]);
    sidecar.become({ state: "unreachable", problem: "No database." });
    await drawn();
    expect(root().textContent).toContain("No database.");
    await signIn();
    expect(texts("h2")).toEqual(["No patient"]);
  });

  test("signing out takes everything away", async () => {
    await signIn();
    await shown();
    sidecar.become({ state: "signed_out" });
    await drawn();
    expect(root().textContent).not.toContain("Ada");
  });

  test("unmounted in mid-call, and mounted again in the same place", async () => {
    await signIn();
    sidecar.show({ kind: "picked", patientKey: KEY });
    await drawn();
    sidecar.unmount();
    expect(root().childElementCount).toBe(0);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    await drawn();
    expect(root().childElementCount).toBe(0);
    sidecar = mountSidecar(host, fake.surroundings);
    await drawn();
    expect(root().childElementCount).toBe(1);
  });

  test("the shadow root is closed unless a test asks for an open one", () => {
    const place = document.createElement("div");
    const closed = mountSidecar(place, fake.surroundings);
    expect(place.shadowRoot).toBeNull();
    closed.unmount();
  });
});
