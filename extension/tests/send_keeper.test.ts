import { expect, it } from "vitest";
import type { Drafts } from "../src/ports";
import { DraftKeeper, keeperOf } from "../src/send/keeper";
import { FakeDrafts, settle } from "./mini_fakes";

class SlowDrafts implements Drafts {
  readonly written: unknown[] = [];
  readonly #waiting: (() => void)[] = [];

  async read(): Promise<unknown> {
    return "what was stored before";
  }

  write(_name: string, draft: unknown): Promise<void> {
    this.written.push(draft);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async finishOne(): Promise<void> {
    this.#waiting.shift()?.();
    await settle();
  }
}

it("writes one after the other, and of what was typed meanwhile only the newest", async () => {
  const drafts = new SlowDrafts();
  const keeper = new DraftKeeper(drafts);
  for (const draft of ["a", "ab", "abc"]) void keeper.write("name", draft);
  expect(drafts.written).toEqual(["a"]);
  await drafts.finishOne();
  expect(drafts.written).toEqual(["a", "abc"]);
  await drafts.finishOne();
  void keeper.write("name", "abcd");
  expect(drafts.written).toEqual(["a", "abc", "abcd"]);
});

it("forgets for good: no earlier write comes after", async () => {
  const drafts = new SlowDrafts();
  const keeper = new DraftKeeper(drafts);
  void keeper.write("name", "a");
  void keeper.write("name", "ab");
  void keeper.write("name", undefined);
  await drafts.finishOne();
  await drafts.finishOne();
  await drafts.finishOne();
  expect(drafts.written).toEqual(["a", undefined]);
});

it("reads what is still to be written", async () => {
  const keeper = new DraftKeeper(new SlowDrafts());
  expect(await keeper.read("name")).toBe("what was stored before");
  void keeper.write("name", "a");
  void keeper.write("name", "ab");
  expect(await keeper.read("name")).toBe("ab");
});

it("is one for the same drafts", () => {
  const drafts = new FakeDrafts();
  expect(keeperOf(drafts)).toBe(keeperOf(drafts));
  expect(keeperOf(new FakeDrafts())).not.toBe(keeperOf(drafts));
});
