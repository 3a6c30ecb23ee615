// A browser for the service worker's modules: Chrome's memory, its tabs, and a network that is answered by hand.
import { vi } from "vitest";
import shipped from "../src/extension/config.json";
import type { Persona } from "../src/identity/persona";

export interface Asked {
  endpoint: string;
  /** Of whom: the token. */
  by: string;
  answer(status: number, body: object): void;
}

export function fakeBrowser() {
  const kept = new Map<string, unknown>();
  const asked: Asked[] = [];
  const nudged: number[] = [];
  const session = {
    get: async (key: string | null) =>
      Object.fromEntries([...kept].filter(([each]) => key === null || each === key)),
    set: async (values: Record<string, unknown>) => {
      for (const [key, value] of Object.entries(values)) kept.set(key, structuredClone(value));
    },
    remove: async (keys: string | string[]) => {
      for (const key of [keys].flat()) kept.delete(key);
    },
  };
  vi.stubGlobal("chrome", {
    runtime: {
      getURL: (path: string) => `chrome-extension://abc/${path}`,
      getContexts: async () => [],
      ContextType: {},
    },
    storage: { session },
    tabs: { sendMessage: async (tabId: number) => void nudged.push(tabId), query: async () => [] },
    permissions: { contains: async () => false },
    scripting: { getRegisteredContentScripts: async () => [] },
  });
  vi.stubGlobal("fetch", async (input: string | Request) => {
    const url = typeof input === "string" ? input : input.url;
    if (typeof input === "string")
      return Response.json(url.endsWith("config.json") ? shipped : { clinics: [] });
    return new Promise<Response>((resolve, reject) => {
      input.signal.addEventListener("abort", () => reject(input.signal.reason));
      asked.push({
        endpoint: url.split("/api/v1/")[1] ?? "",
        by: input.headers.get("Authorization") ?? "",
        answer: (status, body) => resolve(new Response(JSON.stringify(body), { status })),
      });
    });
  });
  return { kept, asked, nudged };
}

export function aPersona(userId: string, tenantId = "t1"): Persona {
  const claims = btoa(JSON.stringify({ sub: userId, tenant_id: tenantId, exp: Date.now() / 1000 + 36_000 }));
  const token = `e30.${claims}.`;
  return { userId, tenantId, clinic: tenantId, displayName: userId, role: "front_desk", token };
}
