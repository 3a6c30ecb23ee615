// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { PageAdapter } from "../src/api/types";
import type { Detected } from "../src/page/detection";
import { watchPage } from "../src/page/watch";

const adapters: PageAdapter[] = [
  { id: "board", site: "*", kind: "data_attribute", value: "data-patient-id", source_system: "ehr" },
];
let heard: (string | null)[] = [];
let end = () => {};
const hear = (sighting: Detected | null) => heard.push(sighting?.externalId ?? null);
const show = (id: string) => {
  document.body.innerHTML = id && `<p data-patient-id="${id}">x</p>`;
};

beforeEach(() => {
  vi.useFakeTimers();
  Element.prototype.checkVisibility = () => true;
  heard = [];
  show("");
});

afterEach(() => {
  end();
  vi.useRealTimers();
});

test("Who is on the page is told at once, nobody too", () => {
  end = watchPage(adapters, hear);
  expect(heard).toEqual([null]);
  end();
  show("1");
  end = watchPage(adapters, hear);
  expect(heard).toEqual([null, "1"]);
});

test("Only changes are told", async () => {
  end = watchPage(adapters, hear);
  for (const id of ["1", "1", "2", "", "", "2"]) {
    show(id);
    await vi.advanceTimersByTimeAsync(1_000);
  }
  expect(heard).toEqual([null, "1", "2", null, "2"]);
});

test("A change is told within a third of a second, however busy the page is", async () => {
  end = watchPage(adapters, hear);
  for (let each = 0; each < 30; each++) {
    document.body.append(document.createElement("i"));
    await vi.advanceTimersByTimeAsync(10);
  }
  show("5");
  await vi.advanceTimersByTimeAsync(300);
  expect(heard).toEqual([null, "5"]);
});

test("A busy page is looked at five times a second and no more", async () => {
  const looks = vi.spyOn(document, "querySelectorAll");
  end = watchPage(adapters, hear);
  for (let each = 0; each < 1_000; each++) {
    document.body.append(document.createElement("i"));
    await vi.advanceTimersByTimeAsync(1);
  }
  expect(looks.mock.calls.length).toBeGreaterThanOrEqual(4);
  expect(looks.mock.calls.length).toBeLessThanOrEqual(7);
  looks.mockRestore();
});

test("An address that changes is looked at without any change of the page", async () => {
  const path = { ...adapters[0], kind: "url_pattern", value: "/records/{id}" } as PageAdapter;
  history.replaceState(null, "", "/records/1");
  end = watchPage([path], hear);
  history.pushState(null, "", "/records/2");
  dispatchEvent(new Event("popstate"));
  await vi.advanceTimersByTimeAsync(300);
  expect(heard).toEqual(["1", "2"]);
});

test("What no event tells of is seen a little later", async () => {
  const path = { ...adapters[0], kind: "url_pattern", value: "/records/{id}" } as PageAdapter;
  history.replaceState(null, "", "/records/1");
  end = watchPage([path], hear);
  history.pushState(null, "", "/records/2");
  await vi.advanceTimersByTimeAsync(2_300);
  expect(heard).toEqual(["1", "2"]);
});

test("After the end nothing is told, and nothing waits", async () => {
  end = watchPage(adapters, hear);
  show("1");
  await Promise.resolve();
  end();
  end();
  show("2");
  dispatchEvent(new Event("popstate"));
  await vi.advanceTimersByTimeAsync(5_000);
  expect(heard).toEqual([null]);
  expect(vi.getTimerCount()).toBe(0);
});

test("A page without an adapter is not watched at all", async () => {
  end = watchPage([], hear);
  show("1");
  await vi.advanceTimersByTimeAsync(5_000);
  expect(heard).toEqual([null]);
  expect(vi.getTimerCount()).toBe(0);
});
