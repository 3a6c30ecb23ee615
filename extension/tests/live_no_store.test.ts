import { expect, test, vi } from "vitest";
import { keepNothing } from "../src/live/no_store";

test("whatever is fetched from now on is not kept, and all else about it stays", async () => {
  const plain = vi.fn(async (_input: RequestInfo | URL, _init?: RequestInit) => new Response("told"));
  const scope = { fetch: plain as typeof fetch };
  keepNothing(scope);
  keepNothing(scope);
  expect(await (await scope.fetch("http://127.0.0.1/", { method: "POST" })).text()).toBe("told");
  expect(plain.mock.calls).toEqual([["http://127.0.0.1/", { method: "POST", cache: "no-store" }]]);
});
