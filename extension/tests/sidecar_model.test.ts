import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Visible } from "../src/sidecar/asking";
import { createModel, type Model } from "../src/sidecar/model";
import * as fakes from "./sidecar_fakes";
import { Fake, KEY, OTHER, settle } from "./sidecar_fakes";

let fake: Fake;
let model: Model;
let isVisible: boolean;
let toggled: () => void;

const visible: Visible = {
  is: () => isVisible,
  subscribe(hear) {
    toggled = hear;
    return () => undefined;
  },
};

beforeEach(() => {
  vi.useFakeTimers();
  isVisible = true;
  fake = new Fake();
  model = createModel(fake.surroundings, visible);
});

afterEach(() => {
  model.end();
  vi.useRealTimers();
});

const signIn = (
  change?: Parameters<typeof fakes.config>[0],
  permissions?: Parameters<typeof fakes.config>[1],
) => model.become({ state: "signed_in", config: fakes.config(change, permissions) });
const show = (patientKey: string | null) =>
  model.show(patientKey === null ? null : { kind: "picked", patientKey });
const view = () => {
  const { patient } = model.store.get();
  if (!patient) throw new Error("there is no patient");
  return patient.store.get();
};

describe("one patient", () => {
  test("is asked for and listened to at once, and shows when the answer is there", async () => {
    signIn();
    show(KEY);
    expect(view().phase).toBe("loading");
    expect(fake.hearers.state.has(KEY)).toBe(true);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    expect(view().shown?.name).toBe("Ada Abernale");
    expect(fake.of("sidecar/interaction").map((call) => call.body.kind)).toEqual(["opened"]);
  });

  test("a newer document is applied at once, and the state asked again soon, once for many changes", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    for (const version of [2, 3, 4]) fake.push(KEY, fakes.document(KEY, version, "green"));
    expect(view().shown).toMatchObject({ version: 4, proceed: "green", name: "Ada Abernale" });
    expect(fake.of("sidecar/state")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(700);
    expect(fake.of("sidecar/state")).toHaveLength(2);
  });

  test("a document that came before the first answer counts, when it is newer", async () => {
    signIn();
    show(KEY);
    fake.push(KEY, fakes.document(KEY, 5, "green"));
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 4 }));
    expect(view().shown).toMatchObject({ version: 5, proceed: "green" });
  });

  test("never goes back: neither by an older document nor by an older answer", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 3 }));
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    expect(view().shown?.version).toBe(3);
    fake.push(KEY, fakes.document(KEY, 6, "green"));
    await vi.advanceTimersByTimeAsync(700);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 5 }));
    expect(view().shown?.version).toBe(6);
    // It asks once more, for who the patient is and what happened belong to that version, too.
    await vi.advanceTimersByTimeAsync(4_000);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 6, name: "Ada Newname" }));
    expect(view().shown).toMatchObject({ version: 6, name: "Ada Newname" });
  });

  test("is live only while a document of the shown version or a newer one is confirmed", async () => {
    signIn();
    show(KEY);
    fake.push(KEY, null);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 3 }));
    expect(view().liveness).toBe("connecting");
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    expect(view().liveness).toBe("connecting");
    fake.push(KEY, fakes.document(KEY, 3, "green"));
    expect(view().liveness).toBe("live");
    await vi.advanceTimersByTimeAsync(60_000);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 4 }));
    expect(view().liveness).toBe("connecting");
    fake.push(KEY, fakes.document(KEY, 4, "green"));
    expect(view().liveness).toBe("live");
  });

  test("blue stays blue while the document is of the same version", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 2, proceed: "blue" }));
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    expect(view().shown?.proceed).toBe("blue");
  });

  test("what is known stays when the API is away, and it asks again by itself", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    await vi.advanceTimersByTimeAsync(60_000);
    await fake.next("sidecar/state").refuse(fakes.problem(503));
    expect(view()).toMatchObject({ phase: "shown", problem: { status: 503 } });
    expect(view().shown?.version).toBe(1);
    await vi.advanceTimersByTimeAsync(2_600);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    expect(view().problem).toBeNull();
  });

  test("retries get rarer, and there is never more than one question at once", async () => {
    signIn();
    show(KEY);
    for (let turn = 0; turn < 12; turn++) {
      await fake.next("sidecar/state").refuse(fakes.problem(0));
      expect(view().phase).toBe("failed");
      await vi.advanceTimersByTimeAsync(75_100);
      expect(fake.of("sidecar/state").filter((call) => call.isOpen)).toHaveLength(1);
    }
    const before = fake.of("sidecar/state").length;
    await fake.next("sidecar/state").refuse(fakes.problem(0));
    await vi.advanceTimersByTimeAsync(40_000);
    expect(fake.of("sidecar/state")).toHaveLength(before);
  });

  test("asked for again while a question is under way, it asks once more afterwards", async () => {
    signIn();
    show(KEY);
    model.store.get().patient?.refresh();
    model.store.get().patient?.refresh();
    expect(fake.of("sidecar/state")).toHaveLength(1);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    await vi.advanceTimersByTimeAsync(700);
    expect(fake.of("sidecar/state")).toHaveLength(2);
  });

  test("is refreshed every minute while somebody sees it, and at once when they look again", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    await vi.advanceTimersByTimeAsync(61_000);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    isVisible = false;
    await vi.advanceTimersByTimeAsync(600_000);
    expect(fake.of("sidecar/state")).toHaveLength(2);
    isVisible = true;
    toggled();
    expect(fake.of("sidecar/state")).toHaveLength(3);
  });

  test("who may not see them any more sees nothing of them, and hears nothing", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { history: [fakes.event(1)] }));
    fake.push(KEY, fakes.document(KEY, 1, "yellow"), "refused");
    await vi.advanceTimersByTimeAsync(700);
    await fake.next("sidecar/state").refuse(fakes.problem(403));
    expect(view()).toMatchObject({ phase: "refused", shown: null, history: [] });
    expect(fake.hearers.state.size + fake.hearers.presence.size).toBe(0);
  });

  test("an unknown one is asked for as soon as there is a document of them", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { found: false }));
    expect(view().phase).toBe("unknown");
    expect(fake.of("sidecar/interaction")).toHaveLength(0);
    fake.push(KEY, fakes.document(KEY, 1, "yellow"));
    await vi.advanceTimersByTimeAsync(700);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    expect(view().phase).toBe("shown");
  });
});

describe("history", () => {
  const events = Array.from({ length: 45 }, (_, number) => fakes.event(45 - number));

  test("older events join what is known, also when something happens meanwhile", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { history: events.slice(2, 12) }));
    expect(view().hasOlder).toBe(true);
    void model.store.get().patient?.loadOlder();
    void model.store.get().patient?.loadOlder();
    expect(fake.of("sidecar/history")).toHaveLength(1);
    await fake
      .next("sidecar/history")
      .answer({ events: events.slice(1, 31), has_more: true, next_cursor: "c" });
    fake.push(KEY, fakes.document(KEY, 2, "green"));
    await vi.advanceTimersByTimeAsync(700);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { version: 2, history: events.slice(0, 10) }));
    expect(view().history).toEqual(events.slice(0, 31));
    void model.store.get().patient?.loadOlder();
    expect(fake.next("sidecar/history").body.cursor).toBe("c");
    await fake
      .next("sidecar/history")
      .answer({ events: events.slice(31), has_more: false, next_cursor: null });
    expect(view().history).toEqual(events);
    expect(view().hasOlder).toBe(false);
  });

  test("a gap begins anew instead of hiding what happened", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { history: events.slice(30, 40) }));
    model.store.get().patient?.refresh();
    await fake.next("sidecar/state").answer(fakes.state(KEY, { history: events.slice(0, 10) }));
    expect(view()).toMatchObject({ history: events.slice(0, 10), hasOlder: true });
  });

  test("notes from behind broken glass go when it closes", async () => {
    signIn();
    show(KEY);
    const noted = events.slice(0, 10).map((each) => ({ ...each, note: "Seen through the glass." }));
    const glassUntil = new Date(Date.now() + 30_000).toISOString();
    await fake.next("sidecar/state").answer(fakes.state(KEY, { history: noted, glassUntil }));
    void model.store.get().patient?.loadOlder();
    const older = events.slice(0, 30).map((each) => ({ ...each, note: "Seen through the glass." }));
    await fake.next("sidecar/history").answer({ events: older, has_more: true, next_cursor: "c" });
    await vi.advanceTimersByTimeAsync(30_600);
    await fake.next("sidecar/state").answer(fakes.state(KEY, { history: events.slice(0, 10) }));
    expect(JSON.stringify(view().history)).not.toContain("Seen");
    expect(view().glassUntil).toBeNull();
  });
});

describe("from patient to patient", () => {
  test("an answer about the one before changes nothing, however late it comes", async () => {
    signIn();
    show(KEY);
    const late = fake.next("sidecar/state");
    show(OTHER);
    const [, second] = fake.of("sidecar/state");
    await second?.answer(fakes.state(OTHER, { name: "Bo Other" }));
    await late.answer(fakes.state(KEY));
    expect(view().shown?.name).toBe("Bo Other");
    expect(fake.hearers.state.has(KEY)).toBe(false);
    // To the server the tab may show the first one again: the second is asked for once more.
    expect(fake.of("sidecar/state").map((call) => call.body.patient_key)).toEqual([KEY, OTHER, OTHER]);
  });

  test("an answer that comes when nobody is shown any more is followed by leaving", async () => {
    signIn();
    show(KEY);
    show(null);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    expect(fake.of("sidecar/interaction").map(({ body }) => [body.kind, body.patient_key])).toEqual([
      ["navigated", KEY],
    ]);
  });

  test("switching says whom it leaves, and only who was shown is left", async () => {
    signIn();
    show(KEY);
    show(OTHER);
    expect(fake.of("sidecar/interaction")).toHaveLength(0);
    await fake.calls.findLast((call) => call.endpoint === "sidecar/state")?.answer(fakes.state(OTHER));
    show(KEY);
    show(null);
    const told = fake.of("sidecar/interaction").map(({ body }) => [body.kind, body.patient_key]);
    expect(told).toEqual([
      ["opened", OTHER],
      ["switched", OTHER],
    ]);
    expect(fake.shown).toEqual([KEY, OTHER, KEY, null]);
  });

  test("one opened by hand stays when the page shows nobody, and goes when it shows another one", async () => {
    signIn();
    show(KEY);
    model.open(OTHER);
    expect(model.store.get()).toMatchObject({ pageKey: KEY, handKey: OTHER });
    show(null);
    expect(model.store.get().patient?.patientKey).toBe(OTHER);
    show(KEY);
    expect(model.store.get()).toMatchObject({ handKey: null });
    expect(model.store.get().patient?.patientKey).toBe(KEY);
    model.open(OTHER);
    model.back();
    expect(model.store.get().patient?.patientKey).toBe(KEY);
    model.open(KEY);
    expect(model.store.get().handKey).toBeNull();
  });

  test("a conversation is there again when the patient is", async () => {
    signIn();
    show(KEY);
    const chat = model.store.get().chat;
    show(OTHER);
    expect(model.store.get().chat).not.toBe(chat);
    show(KEY);
    expect(model.store.get().chat).toBe(chat);
  });

  test("a sighting that only Mini can resolve shows nobody, rather than the one before", () => {
    signIn();
    show(KEY);
    model.show({ kind: "detected", sourceSystem: "ehr", externalId: "1", pageSignature: "a" });
    expect(model.store.get().patient).toBeNull();
  });
});

describe("who is signed in", () => {
  test("another user starts from nothing", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    model.open(OTHER);
    const other = { ...fakes.config().user, user_id: "someone-else" };
    signIn({ user: other });
    const { opened, handKey, patient } = model.store.get();
    expect([opened.size, handKey, patient?.patientKey]).toEqual([0, null, KEY]);
    expect(view().shown).toBeNull();
    expect(fake.hearers.inbox.size).toBe(1);
  });

  test("signed out, nothing is kept, heard or asked", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    const before = fake.calls.length;
    model.become({ state: "signed_out" });
    await vi.advanceTimersByTimeAsync(600_000);
    expect(model.store.get()).toMatchObject({ patient: null, inbox: null, chat: null, config: null });
    expect(fake.hearers.state.size + fake.hearers.inbox.size + fake.hearers.presence.size).toBe(0);
    expect(fake.calls).toHaveLength(before);
  });

  test("the same configuration again changes nothing; out of reach, what is known stays", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    const { patient } = model.store.get();
    model.become({ state: "unreachable", problem: "No." });
    signIn();
    expect(model.store.get().patient).toBe(patient);
  });

  test("a role without Sidecar asks for nothing until the glass is broken, and then hears of that patient alone", async () => {
    signIn({}, { sidecar: false });
    show(KEY);
    expect(view().phase).toBe("locked");
    expect(fake.calls).toHaveLength(0);
    expect(fake.hearers.state.size + fake.hearers.inbox.size).toBe(0);
    void model.store.get().patient?.breakGlass("emergency", "Night shift.");
    await fake.next("sidecar/break-glass").answer({ glass_broken_until: "2026-11-24T03:00:00Z" });
    await fake
      .next("sidecar/state")
      .answer(fakes.state(KEY, { glassUntil: new Date(Date.now() + 60_000).toISOString() }));
    expect(view().phase).toBe("shown");
    expect(fake.hearers.state.has(KEY)).toBe(true);
    expect(fake.of("sidecar/interaction")).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(61_000);
    await fake.next("sidecar/state").refuse(fakes.problem(403));
    expect(view()).toMatchObject({ phase: "locked", shown: null });
  });

  test("closing says so, once, and nothing that is under way does harm", async () => {
    signIn();
    show(KEY);
    await fake.next("sidecar/state").answer(fakes.state(KEY));
    model.store.get().patient?.refresh();
    model.end();
    model.end();
    await fake.next("sidecar/state").refuse(new Error("Extension context invalidated."));
    await settle();
    expect(fake.of("sidecar/interaction").map((call) => call.body.kind)).toEqual(["opened", "closed"]);
  });
});
