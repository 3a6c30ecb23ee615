import fc from "fast-check";
import { describe, expect, it } from "vitest";
import shipped from "../src/extension/config.json";
import { ConfigurationProblem, readConfiguration } from "../src/extension/configuration";
import { isMessage, type Message } from "../src/extension/messages";
import { readSender } from "../src/extension/senders";
import { patternsOf, sitesOf } from "../src/extension/sites";

describe("config.json", () => {
  it("as it is shipped is right", () => {
    expect(readConfiguration(shipped).addresses).toEqual({ base: shipped.api.base });
  });

  it("may name an address for each endpoint, as deployed", () => {
    const functions = { "mini/ack": "https://mini-ack-x.a.run.app" };
    const read = readConfiguration({ api: { functions }, firebase: { projectId: "p", apiKey: "k" } });
    expect(read).toEqual({
      addresses: { functions },
      firebase: { projectId: "p", apiKey: "k" },
      emulators: {},
    });
  });

  it.each<[string, unknown]>([
    ["the file", []],
    ["api", { firebase: { projectId: "p" } }],
    ["api.base", { ...shipped, api: { base: "ftp://x" } }],
    ["api.base", { ...shipped, api: { base: "localhost" } }],
    ["api.functions.mini/ack", { ...shipped, api: { functions: { "mini/ack": 3 } } }],
    ["firebase.projectId", { ...shipped, firebase: {} }],
    ["emulators.firestore", { ...shipped, emulators: { firestore: 8084 } }],
    ["personas", { ...shipped, personas: "javascript:alert(1)" }],
    ["google.clientId", { ...shipped, google: {} }],
  ])("that is wrong is told by name: %s", (name, told) => {
    expect(() => readConfiguration(told)).toThrow(ConfigurationProblem);
    expect(() => readConfiguration(told)).toThrow(` ${name} must be `);
  });

  it("never raises anything else", () => {
    fc.assert(
      fc.property(fc.jsonValue(), (told) => {
        try {
          readConfiguration(told);
        } catch (error) {
          expect(error).toBeInstanceOf(ConfigurationProblem);
        }
      }),
    );
  });
});

describe("sites", () => {
  const adapter = (site: string) =>
    ({ site, id: "a", kind: "selector", value: "x", source_system: "s" }) as never;

  it("are those that policy names", () => {
    const config = { sites: ["b.example", "*.a.example"], page_adapters: [adapter("c.example")] };
    expect(sitesOf(config)).toEqual(["*.a.example", "b.example"]);
  });

  it("are those of the adapters where every site is allowed, and never all of the web", () => {
    const page_adapters = [adapter("localhost"), adapter("127.0.0.1"), adapter("localhost"), adapter("*")];
    expect(sitesOf({ sites: ["*"], page_adapters })).toEqual(["127.0.0.1", "localhost"]);
  });

  it.each(["*", "*.", "a/b", "a:80", "<all_urls>", "*.*", "A.example", ""])("are no pattern: %s", (site) => {
    expect(sitesOf({ sites: [site], page_adapters: [] })).toEqual([]);
  });

  it("are a pattern for each scheme", () => {
    expect(patternsOf(["*.a.example"])).toEqual(["http://*.a.example/*", "https://*.a.example/*"]);
  });
});

describe("a sender", () => {
  const own = { id: "abc", base: "chrome-extension://abc/" };
  const tab = { id: 7, windowId: 3 } as chrome.tabs.Tab;
  const page = { id: "abc", url: "https://ehr.example/x?y=1", frameId: 0, tab };

  it("is a page by the address that the browser gives", () => {
    expect(readSender(page, own)).toEqual({ kind: "page", tabId: 7, windowId: 3, site: "ehr.example" });
  });

  it("is the panel, also in a tab, or the offscreen document", () => {
    const url = "chrome-extension://abc/panel.html?tab=7";
    expect(readSender({ id: "abc", url, tab, frameId: 0 }, own)).toEqual({ kind: "panel" });
    expect(readSender({ id: "abc", url: "chrome-extension://abc/offscreen.html" }, own)).toEqual({
      kind: "offscreen",
    });
  });

  it.each<[string, object]>([
    ["another extension", { ...page, id: "evil" }],
    ["another extension's panel", { id: "abc", url: "chrome-extension://evil/panel.html" }],
    ["a frame in a page", { ...page, frameId: 4 }],
    ["a page without a tab", { id: "abc", url: page.url, frameId: 0 }],
    ["another page of ours", { id: "abc", url: "chrome-extension://abc/else.html" }],
    ["a file", { ...page, url: "file:///etc/panel.html" }],
    ["nobody", {}],
  ])("may ask for nothing as %s", (_, told) => {
    expect(readSender(told, own)).toBeNull();
  });
});

describe("a message", () => {
  it("is one of ours", () => {
    const ours: Message[] = [
      { type: "hello" },
      { type: "call", userId: "u1", endpoint: "mini/status", body: {}, idempotencyKey: "k" },
      { type: "keep", userId: null, name: "place", value: { x: 1 } },
      { type: "shows", patientKey: null },
      { type: "sign_out" },
    ];
    for (const each of ours) expect(isMessage(each)).toBe(true);
  });

  it.each([
    null,
    3,
    "hello",
    [],
    {},
    { type: "constructor" },
    { type: 4 },
    { type: "call", endpoint: 5 },
    { type: "keep" },
    { type: "keep", name: "place" },
    { type: "gone", tabId: "7" },
    { type: "shows" },
    { type: "read_kept", name: "x".repeat(300) },
  ])("is not just anything: %j", (told) => {
    expect(isMessage(told)).toBe(false);
  });
});
