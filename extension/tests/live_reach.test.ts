import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { watchReach } from "../src/live/reach";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function watched() {
  const told: boolean[] = [];
  const server = { answers: true, asked: 0 };
  const stop = watchReach({
    url: "http://127.0.0.1:1/",
    changed: (isReached) => told.push(isReached),
    ask: async () => {
      server.asked += 1;
      if (!server.answers) throw new TypeError("Failed to fetch");
    },
  });
  return { told, server, stop };
}

test("while the server answers nothing is told", async () => {
  const { told, server } = watched();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.asked).toBeGreaterThan(5);
  expect(told).toEqual([]);
});

test("a server that is gone is told of within twelve seconds, and its return within two", async () => {
  const { told, server } = watched();
  server.answers = false;
  await vi.advanceTimersByTimeAsync(12_000);
  expect(told).toEqual([false]);
  server.answers = true;
  await vi.advanceTimersByTimeAsync(2_000);
  expect(told).toEqual([false, true]);
});

test("one lost answer is no change", async () => {
  const { told, server } = watched();
  await vi.advanceTimersByTimeAsync(7_999);
  server.answers = false;
  await vi.advanceTimersByTimeAsync(2);
  server.answers = true;
  await vi.advanceTimersByTimeAsync(30_000);
  expect(told).toEqual([]);
});

test("once stopped it asks nobody", async () => {
  const { server, stop } = watched();
  stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(server.asked).toBe(0);
});
