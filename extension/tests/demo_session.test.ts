// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ApiProblem } from "../src/api/problem";
import type { Config } from "../src/api/types";
import { sessionDrafts, sessionIdOf } from "../src/demo/drafts";
import { keepSignedIn } from "../src/demo/signed_in";
import type { Session } from "../src/ports";

const config = (version: number) => ({ policy_version: version }) as Config;
const problem = (status: number) =>
  new ApiProblem({ status, title: "No", detail: `Sentence ${status}.`, errors: [] });

describe("a surface on the demo page", () => {
  let told: Session[] = [];
  let end = () => {};
  const start = (...answers: (Config | ApiProblem)[]) => {
    const ask = vi.fn(async () => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof ApiProblem) throw answer;
      return answer as Config;
    });
    end = keepSignedIn(ask, (session) => told.push(session));
    return ask;
  };
  const states = () => told.map((each) => each.state);

  beforeEach(() => {
    vi.useFakeTimers();
    told = [];
  });

  afterEach(() => {
    end();
    vi.useRealTimers();
  });

  test("is signed in once the configuration came", async () => {
    start(config(1));
    expect(states()).toEqual(["starting"]);
    await vi.advanceTimersByTimeAsync(0);
    expect(states()).toEqual(["starting", "signed_in"]);
  });

  test("learns of another policy, and is not told the same twice", async () => {
    start(config(1), config(1), config(2));
    await vi.advanceTimersByTimeAsync(125_000);
    expect(told.map((each) => (each.state === "signed_in" ? each.config.policy_version : 0))).toEqual([
      0, 1, 2,
    ]);
  });

  test("is told why it can't begin, and begins when it can", async () => {
    start(problem(403), problem(403), config(1));
    await vi.advanceTimersByTimeAsync(0);
    expect(told.at(-1)).toEqual({ state: "unreachable", problem: "Sentence 403." });
    await vi.advanceTimersByTimeAsync(10_000);
    expect(states()).toEqual(["starting", "unreachable", "signed_in"]);
  });

  test("stays signed in while the stack is away", async () => {
    start(config(1), problem(0), problem(503), config(1));
    await vi.advanceTimersByTimeAsync(90_000);
    expect(states()).toEqual(["starting", "signed_in"]);
  });

  test("is signed out when its token is refused", async () => {
    start(config(1), problem(401));
    await vi.advanceTimersByTimeAsync(70_000);
    expect(states()).toEqual(["starting", "signed_in", "signed_out"]);
  });

  test("hears nothing after the end, an answer under way included", async () => {
    const ask = start(config(1));
    end();
    await vi.advanceTimersByTimeAsync(200_000);
    expect(states()).toEqual(["starting"]);
    expect(ask).toHaveBeenCalledTimes(1);
  });
});

describe("a draft", () => {
  beforeEach(() => sessionStorage.clear());

  test("outlives a reload, for its own side and name", async () => {
    await sessionDrafts("left").write("mini:p1", { note: "Called" });
    expect(await sessionDrafts("left").read("mini:p1")).toEqual({ note: "Called" });
    expect(await sessionDrafts("right").read("mini:p1")).toBeUndefined();
    expect(await sessionDrafts("left").read("mini:p2")).toBeUndefined();
  });

  test("is forgotten", async () => {
    const drafts = sessionDrafts("left");
    await drafts.write("a", { note: "x" });
    await drafts.write("a", undefined);
    expect(await drafts.read("a")).toBeUndefined();
    expect(sessionStorage.length).toBe(0);
  });

  test("that can't be read is none, and a full storage hurts nobody", async () => {
    sessionStorage.setItem("mobius-demo:left:draft:a", "{");
    expect(await sessionDrafts("left").read("a")).toBeUndefined();
    const full = {
      getItem: () => null,
      setItem: () => {
        throw new DOMException("full", "QuotaExceededError");
      },
    };
    await sessionDrafts("left", full as unknown as Storage).write("a", { note: "x" });
  });
});

test("A side's session keeps its name, and each side has its own", () => {
  sessionStorage.clear();
  const left = sessionIdOf("left");
  expect(sessionIdOf("left")).toBe(left);
  expect(sessionIdOf("right")).not.toBe(left);
  expect(left).toMatch(/^[A-Za-z0-9._:-]{1,128}$/);
});
