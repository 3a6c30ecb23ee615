import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { type Inbox, openInbox } from "../src/sidecar/inbox";
import { config, Fake, inboxAnswer, item, ME, problem, settle } from "./sidecar_fakes";

let fake: Fake;
let inbox: Inbox;

beforeEach(() => {
  vi.useFakeTimers();
  fake = new Fake();
  inbox = openInbox(fake.surroundings, config(), { is: () => true, subscribe: () => () => undefined });
});

afterEach(() => {
  inbox.end();
  vi.useRealTimers();
});

const items = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => item(from + at));
const document = (known: ReturnType<typeof items>, count = known.length) => ({
  open_count: count,
  open_assignments: known.map((each) => ({
    assignment_id: each.assignment_id,
    patient_key: each.patient_key,
    reason_code: each.reason_code,
    created_at: 0,
    status: each.status,
    claimed_by: each.claimed_by,
  })),
});

describe("the inbox", () => {
  test("is asked for anew when the document says something else, and not when it says the same", async () => {
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 2)));
    fake.pushInbox(document(items(0, 2)));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fake.of("sidecar/inbox")).toHaveLength(1);
    fake.pushInbox(document(items(0, 3)));
    fake.pushInbox(document(items(0, 4)));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fake.of("sidecar/inbox")).toHaveLength(2);
  });

  test("hears of a claim by somebody else", async () => {
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 2)));
    fake.pushInbox(document([item(0), item(1, { claimed_by: "x" })]));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(fake.of("sidecar/inbox")).toHaveLength(2);
  });

  test("a document that came while the question was under way is compared with its answer, without a circle", async () => {
    fake.pushInbox(document(items(0, 3)));
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 2)));
    await vi.advanceTimersByTimeAsync(1_000);
    // The second answer says the same: then the document is behind, not the list.
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 2)));
    await vi.advanceTimersByTimeAsync(5_000);
    expect(fake.of("sidecar/inbox")).toHaveLength(2);
  });

  test("pages join, without twins, and a refresh keeps as many as are shown", async () => {
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 20), 60, "c1"));
    void inbox.loadMore();
    void inbox.loadMore();
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(19, 39), 61, "c2"));
    expect(fake.of("sidecar/inbox")).toHaveLength(2);
    expect(inbox.store.get()).toMatchObject({ openCount: 61, cursor: "c2" });
    expect(new Set(inbox.store.get().items.map((each) => each.assignment_id)).size).toBe(39);
    inbox.refresh();
    expect(fake.next("sidecar/inbox").body.limit).toBe(39);
  });

  test("a page that comes after a refresh is left out", async () => {
    await fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 20), 60, "c1"));
    void inbox.loadMore();
    const page = fake.next("sidecar/inbox");
    inbox.refresh();
    await fake.calls.at(-1)?.answer(inboxAnswer(items(1, 21), 59, "c3"));
    await page.answer(inboxAnswer(items(20, 40), 60, "c2"));
    expect(inbox.store.get()).toMatchObject({ cursor: "c3", isLoadingMore: false });
    expect(inbox.store.get().items).toHaveLength(20);
  });
});

describe("a claim", () => {
  beforeEach(() => fake.next("sidecar/inbox").answer(inboxAnswer(items(0, 2))));

  test("makes the item mine; pressed twice, it is one", async () => {
    const first = inbox.claim("a1", false);
    expect(await inbox.claim("a1", false)).toBe(false);
    await fake.next("sidecar/assignment/claim").answer({ assignment: item(1, { claimed_by: ME }) });
    expect(await first).toBe(true);
    expect(fake.of("sidecar/assignment/claim")).toHaveLength(1);
    expect(inbox.store.get().items[1]?.claimed_by).toBe(ME);
    expect(inbox.store.get().claims).toEqual({});
  });

  test("that somebody else was faster with offers to take it over", async () => {
    void inbox.claim("a1", false);
    await fake.next("sidecar/assignment/claim").refuse(problem(409, "Already claimed"));
    expect(inbox.store.get().claims.a1).toEqual({ is: "taken" });
    await fake.next("sidecar/inbox").answer(inboxAnswer([item(0), item(1, { claimed_by: "x" })]));
    void inbox.claim("a1", true);
    expect(fake.next("sidecar/assignment/claim").body.take_over).toBe(true);
  });

  test("that meets another change says so, and takes nothing over", async () => {
    void inbox.claim("a1", false);
    await fake.next("sidecar/assignment/claim").refuse(problem(409, "Still running", "Try again."));
    expect(inbox.store.get().claims.a1).toEqual({ is: "failed", sentence: "Try again." });
  });

  test("of an item that is gone goes with it", async () => {
    void inbox.claim("a1", false);
    await fake.next("sidecar/assignment/claim").refuse(problem(404));
    await fake.next("sidecar/inbox").answer(inboxAnswer([item(0)]));
    await settle();
    expect(inbox.store.get()).toMatchObject({ claims: {}, openCount: 1 });
  });
});
