import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { address } from "../src/api/addresses";
import { httpApi, type Told } from "../src/api/client";
import { ApiProblem } from "../src/api/problem";
import { readServerTiming } from "../src/api/server_timing";
import type { Endpoint } from "../src/api/types";
import { SomebodyElse } from "../src/identity/identity";

type Reply = Response | Error | ((signal: AbortSignal) => Promise<Response>);

const NOTHING_CHANGED = "Too many requests at once. Nothing was changed; try again shortly.";
const UNCONFIRMED = "The database did not confirm the change. Look again before you repeat it.";
const ok = (more: object = {}) => json(200, { ok: true, ...more });
const problem = (status: number, detail: string, headers: Record<string, string> = {}) =>
  json(status, { status, title: "Problem", detail, error: detail }, headers);

function json(status: number, body: unknown, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(body), { status, headers });
}

/** An API that answers with these replies, one after the other, and notes what it was asked. */
function scripted(...replies: Reply[]) {
  const asked: Request[] = [];
  const told: Told[] = [];
  const tokens: boolean[] = [];
  const api = httpApi({
    addresses: { base: "https://api.example" },
    token: async (renew = false) => {
      tokens.push(renew);
      return renew ? "renewed" : "first";
    },
    onAnswer: (each) => told.push(each),
    fetch: async (input, init) => {
      asked.push(new Request(input, init));
      const reply = replies.shift();
      if (reply === undefined) throw new Error("nobody expected another call");
      if (reply instanceof Error) throw reply;
      return typeof reply === "function" ? reply((input as Request).signal) : reply;
    },
  });
  return { api, asked, told, tokens, replies };
}

const send = { session_id: "s", patient_key: "p".repeat(10), note_text: "n", override_proceed: "green" };
const dismiss = { session_id: "s", patient_key: "p".repeat(10), reason: "other" };

/** What a network that lost us does. */
const hang = (signal: AbortSignal) =>
  new Promise<Response>((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** Lets all waiting pass at once. */
async function settle<T>(call: Promise<T>): Promise<T> {
  call.catch(() => {});
  await vi.runAllTimersAsync();
  return call;
}

async function refusal(call: Promise<unknown>): Promise<ApiProblem> {
  const error = await settle(call).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof ApiProblem) return error;
  throw new Error(`not an ApiProblem: ${String(error)}`);
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a call", () => {
  it("posts, also to read, with the token and a correlation id", async () => {
    const { api, asked } = scripted(ok());
    await settle(api.call("mini/patient/search", { q: "Quinn" } as never));
    const [request] = asked;
    expect(request?.method).toBe("POST");
    expect(request?.url).toBe("https://api.example/api/v1/mini/patient/search");
    expect(request?.headers.get("Authorization")).toBe("Bearer first");
    expect(request?.headers.get("X-Correlation-Id")).toMatch(/^[0-9a-f-]{36}$/);
    expect(await request?.json()).toEqual({ q: "Quinn" });
  });

  it("keeps its idempotency key and its correlation id through every try", async () => {
    const { api, asked } = scripted(new TypeError("network"), problem(503, UNCONFIRMED), ok());
    await settle(api.call("mini/ack", send as never, { idempotencyKey: "k1" }));
    expect(asked.map((each) => each.headers.get("Idempotency-Key"))).toEqual(["k1", "k1", "k1"]);
    expect(new Set(asked.map((each) => each.headers.get("X-Correlation-Id"))).size).toBe(1);
  });

  it("says of its last try how long it took, in stages", async () => {
    const { api, told } = scripted(json(200, { ok: true }, { "Server-Timing": "read;dur=1.5, total;dur=4" }));
    await settle(api.call("mini/config", {} as never));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatchObject({ endpoint: "mini/config", status: 200, body: { ok: true } });
    expect(told[0]?.serverTiming).toEqual({ read: 1.5, total: 4 });
    expect(told[0]?.endedAt).toBeGreaterThanOrEqual(told[0]?.startedAt ?? Number.POSITIVE_INFINITY);
  });
});

describe("a call is made again", () => {
  it.each<[string, Endpoint, object, Reply]>([
    ["a read without an answer", "mini/status", {}, new TypeError("network")],
    ["a read while the database is away", "sidecar/state", {}, problem(503, NOTHING_CHANGED)],
    ["a read that a proxy answered", "sidecar/state", {}, new Response("<html>", { status: 502 })],
    ["a write that was surely not carried out", "mini/dismiss", dismiss, problem(503, NOTHING_CHANGED)],
    ["a write that came too fast", "mini/dismiss", dismiss, problem(429, "Too many", { "Retry-After": "1" })],
    ["a write that got no lock", "mini/dismiss", dismiss, problem(409, "Still", { "Retry-After": "1" })],
  ])("%s", async (_, endpoint, body, reply) => {
    const { api, asked } = scripted(reply, ok());
    await settle(api.call(endpoint, body as never));
    expect(asked).toHaveLength(2);
  });

  it("a Send whose first try is still running, for its key tells them apart", async () => {
    const { api, asked } = scripted(problem(409, "Still running"), ok());
    await settle(api.call("mini/ack", send as never, { idempotencyKey: "k" }));
    expect(asked).toHaveLength(2);
  });

  it("after as long as the answer says", async () => {
    const { api, asked } = scripted(problem(503, NOTHING_CHANGED, { "Retry-After": "4" }), ok());
    const call = api.call("mini/status", {} as never);
    await vi.advanceTimersByTimeAsync(3_900);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(200);
    expect(asked).toHaveLength(2);
    await call;
  });

  it("when a try is not answered in time", async () => {
    const { api, asked } = scripted(hang, ok());
    await settle(api.call("mini/status", {} as never));
    expect(asked).toHaveLength(2);
  });
});

describe("a call is not made again", () => {
  it.each<[string, Reply]>([
    ["that got no answer", new TypeError("network")],
    ["that the database did not confirm", problem(503, UNCONFIRMED)],
    ["that a proxy answered", new Response("<html>", { status: 503 })],
    ["of an item that somebody else claimed", problem(409, "Somebody else has claimed this item.")],
  ])("when it is a write without a key %s", async (_, reply) => {
    const { api, asked } = scripted(reply);
    await refusal(api.call("sidecar/dismiss", dismiss as never));
    expect(asked).toHaveLength(1);
  });

  it.each([400, 403, 404, 413, 422, 500])("after %i", async (status) => {
    const { api, asked } = scripted(problem(status, "No."));
    expect((await refusal(api.call("mini/status", {} as never))).status).toBe(status);
    expect(asked).toHaveLength(1);
  });

  it("when it would have to wait for longer than anybody does", async () => {
    const { api, asked } = scripted(problem(503, NOTHING_CHANGED, { "Retry-After": "60" }));
    await refusal(api.call("mini/status", {} as never));
    expect(asked).toHaveLength(1);
  });
});

describe("patience", () => {
  it("has an end, also when every try just hangs", async () => {
    const { api, asked } = scripted(hang, hang, hang, hang, hang, hang);
    const begun = Date.now();
    const told = await refusal(api.call("mini/status", {} as never));
    expect(told.status).toBe(0);
    expect(asked.length).toBeLessThanOrEqual(5);
    expect(Date.now() - begun).toBeLessThanOrEqual(15_000);
  });

  it("has an end, also when every answer is a refusal", async () => {
    const { api, asked } = scripted(...Array.from({ length: 9 }, () => problem(503, NOTHING_CHANGED)));
    expect((await refusal(api.call("mini/status", {} as never))).status).toBe(503);
    expect(asked).toHaveLength(5);
  });
});

describe("a token that is refused", () => {
  it("is renewed once", async () => {
    const { api, asked, tokens } = scripted(problem(401, "expired"), ok());
    await settle(api.call("mini/status", {} as never));
    expect(tokens).toEqual([false, true]);
    expect(asked[1]?.headers.get("Authorization")).toBe("Bearer renewed");
  });

  it("twice is a 401 to the caller", async () => {
    const { api, asked } = scripted(problem(401, "expired"), problem(401, "expired"));
    expect((await refusal(api.call("mini/status", {} as never))).status).toBe(401);
    expect(asked).toHaveLength(2);
  });
});

describe("a call whose user signed out", () => {
  const signable = (
    reply: () => Response | Promise<Response>,
    token: (renew?: boolean) => Promise<string>,
  ) => {
    const fetched = vi.fn(async (_input: RequestInfo | URL, _init?: RequestInit) => reply());
    const reign = new AbortController();
    const addresses = { base: "https://api.example" };
    return { api: httpApi({ addresses, token, signal: reign.signal, fetch: fetched }), fetched, reign };
  };
  const sent = (api: ReturnType<typeof httpApi>) =>
    refusal(api.call("mini/ack", send as never, { idempotencyKey: "k" }));
  const danas = async (renew = false) => {
    if (renew) throw new SomebodyElse();
    return "danas";
  };

  it("is not made again for the next one", async () => {
    const { api, fetched } = signable(() => problem(401, "expired"), danas);
    const told = await sent(api);
    expect(fetched).toHaveBeenCalledTimes(1);
    expect(told.status).toBe(0);
    expect(told.message).toContain("Whether it was done is not known");
  });

  it("before it went out was surely not carried out", async () => {
    const { api, fetched } = signable(
      () => ok(),
      () => Promise.reject(new SomebodyElse()),
    );
    expect((await sent(api)).message).toContain("Nothing was changed");
    expect(fetched).not.toHaveBeenCalled();
  });

  it("while its token was fetched doesn't go out", async () => {
    const { api, fetched, reign } = signable(
      () => ok(),
      async () => {
        reign.abort();
        return "danas";
      },
    );
    expect((await sent(api)).message).toContain("Nothing was changed");
    expect(fetched).not.toHaveBeenCalled();
  });

  it("between two tries is given up", async () => {
    const { api, fetched, reign } = signable(() => {
      setTimeout(() => reign.abort(), 10);
      return problem(503, NOTHING_CHANGED);
    }, danas);
    expect((await sent(api)).message).toContain("Whether it was done is not known");
    expect(fetched).toHaveBeenCalledTimes(1);
  });
});

describe("a failure is told as a sentence", () => {
  it("the API's own, with its fields", async () => {
    const errors = [{ field: "note_text", message: "is required" }];
    const { api } = scripted(json(422, { title: "Invalid fields", detail: "Mend these fields.", errors }));
    const told = await refusal(api.call("mini/ack", send as never));
    expect(told.message).toBe("Mend these fields.");
    expect(told.about("note_text")).toBe("is required");
  });

  it.each<[string, Reply, number]>([
    ["no network", new TypeError("Failed to fetch"), 0],
    ["a sign-on page", new Response("<html>Please sign in to this network</html>"), 0],
    ["another JSON", json(200, { hello: 1 }), 0],
    ["a proxy", new Response("upstream timed out", { status: 504 }), 503],
    ["a bare 500", new Response("Traceback", { status: 500 }), 500],
    ["a list", json(400, ["no"]), 400],
  ])("ours for %s", async (_, reply, status) => {
    const { api } = scripted(...Array.from({ length: 6 }, () => copyOf(reply)));
    const told = await refusal(api.call("mini/status", {} as never));
    expect(told.status).toBe(status);
    expect(told.message).toMatch(/^[A-Z].*\.$/);
    expect(told.message).not.toMatch(/fetch|html|Traceback|upstream/);
  });

  it("whatever handing out the token raised", async () => {
    const api = httpApi({
      addresses: { base: "https://api.example" },
      token: () => Promise.reject(new Error("auth/network-request-failed")),
    });
    expect((await refusal(api.call("mini/status", {} as never))).status).toBe(0);
  });
});

const copyOf = (reply: Reply): Reply => (reply instanceof Response ? reply.clone() : reply);

describe("addresses", () => {
  it("are one for each endpoint where it is deployed so", () => {
    const functions = { "mini/ack": "https://ack.example/" } as const;
    expect(address({ functions }, "mini/ack")).toBe("https://ack.example/");
    expect(() => address({ functions }, "mini/status")).toThrow(ApiProblem);
  });

  it.each(["mini/../sidecar/ack", "sidecar", "mini/ack?x=1", "/mini/ack", "constructor", "mini/%2e%2e/a"])(
    "are none for %s",
    (name) => {
      expect(() => address({ base: "https://api.example/" }, name as Endpoint)).toThrow(ApiProblem);
    },
  );
});

describe("Server-Timing", () => {
  it.each([
    [null, {}],
    ["", {}],
    ["read;dur=1.25;desc=x, commit; dur=3", { read: 1.25, commit: 3 }],
    ["cache, bad;dur=oops", {}],
  ])("%s", (header, stages) => {
    expect(readServerTiming(header)).toEqual(stages);
  });
});
