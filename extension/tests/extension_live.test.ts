import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type ClientPort, liveClient } from "../src/extension/live_client";
import { isAllowed, type Wish, type Word } from "../src/extension/live_protocol";
import { type ServedPort, serve } from "../src/extension/serving";
import { Hub } from "../src/live/hub";
import type { Heard, Live } from "../src/ports";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const KEY = "p1TKsYZRSS67oel41ZyuGhpOVJ";
const OTHER = "p1dHpp58ukp9fUBz4ATG6ZuhAn";

/** The two ends of a port; what goes over it is copied as Chrome copies it. */
function portPair() {
  const acts = { client: [] as ((word: Word) => void)[], server: [] as ((wish: Wish) => void)[] };
  const ends = { client: [] as (() => void)[], server: [] as (() => void)[] };
  let isOpen = true;
  const copy = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;
  const later = (act: () => void) => void Promise.resolve().then(() => isOpen && act());
  const drop = (...sides: ("client" | "server")[]) => {
    if (!isOpen) return;
    isOpen = false;
    for (const side of sides) for (const end of ends[side]) end();
  };
  const client: ClientPort = {
    onMessage: { addListener: (act) => acts.client.push(act) },
    onDisconnect: { addListener: (act) => ends.client.push(act) },
    postMessage: (wish) => later(() => acts.server.forEach((act) => void act(copy(wish)))),
    disconnect: () => drop("server"),
  };
  const server: ServedPort = {
    onMessage: { addListener: (act) => acts.server.push(act) },
    onDisconnect: { addListener: (act) => ends.server.push(act) },
    postMessage: (word) => later(() => acts.client.forEach((act) => void act(copy(word)))),
  };
  return { client, server, drop: () => drop("client", "server") };
}

/** A listening side whose documents are set by hand. */
function fakeLive() {
  const hears = new Map<string, (heard: Heard<unknown>) => void>();
  const log: string[] = [];
  const hub = new Hub<unknown>((name, hear) => {
    log.push(`+${name}`);
    hears.set(name, hear);
    return () => void log.push(`-${name}`);
  }, 0);
  const live: Live = {
    patientState: (key, hear) => hub.subscribe(`state ${key}`, hear as never),
    presence: (key, hear) => hub.subscribe(`presence ${key}`, hear as never),
    userInbox: (hear) => hub.subscribe("inbox", hear as never),
  };
  return { live, log, say: (name: string, heard: Heard<unknown>) => hears.get(name)?.(heard) };
}

function connected() {
  const far = fakeLive();
  const pairs: ReturnType<typeof portPair>[] = [];
  const connect = vi.fn(async (): Promise<ClientPort | null> => {
    const pair = portPair();
    pairs.push(pair);
    serve(pair.server, Promise.resolve(far.live));
    return pair.client;
  });
  return { far, pairs, connect, client: liveClient(connect, () => true) };
}

const settle = () => vi.advanceTimersByTimeAsync(0);
const doc = (version: number): Heard<unknown> => ({ liveness: "live", document: { version } });

describe("a surface's documents", () => {
  it("come over the port, each to who asked for it", async () => {
    const { far, client } = connected();
    const one = vi.fn();
    const two = vi.fn();
    client.patientState(KEY, one);
    client.patientState(OTHER, two);
    await settle();
    far.say(`state ${KEY}`, doc(1));
    await settle();
    expect(one).toHaveBeenLastCalledWith(doc(1));
    expect(two).toHaveBeenCalledTimes(1);
    expect(two).toHaveBeenLastCalledWith({ liveness: "connecting", document: undefined });
  });

  it("stay on screen, not called live, while the port is away, and come back by themselves", async () => {
    const { far, client, pairs, connect } = connected();
    const hear = vi.fn();
    client.patientState(KEY, hear);
    await settle();
    far.say(`state ${KEY}`, doc(4));
    await settle();
    pairs[0]?.drop();
    expect(hear).toHaveBeenLastCalledWith({ liveness: "reconnecting", document: { version: 4 } });
    await vi.advanceTimersByTimeAsync(500);
    expect(connect).toHaveBeenCalledTimes(2);
    far.say(`state ${KEY}`, doc(5));
    await settle();
    expect(hear).toHaveBeenLastCalledWith(doc(5));
  });

  it("are not heard any more by who left, not even when they were on their way", async () => {
    const { far, client } = connected();
    const hear = vi.fn();
    const leave = client.presence(KEY, hear);
    await settle();
    far.say(`presence ${KEY}`, doc(1));
    leave();
    await vi.advanceTimersByTimeAsync(10);
    expect(hear).toHaveBeenCalledTimes(1);
    expect(far.log).toEqual([`+presence ${KEY}`, `-presence ${KEY}`]);
  });

  it("that were wished for before there was a port are not forgotten, nor are those taken back", async () => {
    const { far, client, connect } = connected();
    connect.mockResolvedValueOnce(null);
    const leave = client.patientState(OTHER, () => {});
    client.userInbox(() => {});
    leave();
    await settle();
    await vi.advanceTimersByTimeAsync(500);
    expect(far.log).toEqual(["+inbox"]);
  });

  it("are asked for ever less often while nobody serves them, and never once nobody wants them", async () => {
    const connect = vi.fn(async () => null);
    const client = liveClient(connect, () => false);
    const hear = vi.fn();
    const leave = client.userInbox(hear);
    expect(hear).toHaveBeenLastCalledWith({ liveness: "offline", document: undefined });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connect.mock.calls.length).toBeGreaterThan(5);
    expect(connect.mock.calls.length).toBeLessThan(20);
    leave();
    await vi.advanceTimersByTimeAsync(20_000);
    const calls = connect.mock.calls.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(connect.mock.calls.length).toBe(calls);
  });

  it("end with their surface, also when the port opens only then", async () => {
    let open = (_: ClientPort | null) => {};
    const client = liveClient(
      () =>
        new Promise<ClientPort | null>((resolve) => {
          open = resolve;
        }),
      () => true,
    );
    client.userInbox(() => {});
    client.end();
    const { client: port } = portPair();
    const disconnect = vi.spyOn(port, "disconnect");
    open(port);
    await settle();
    expect(disconnect).toHaveBeenCalled();
  });
});

describe("the offscreen document", () => {
  it("stops to listen when a port is gone", async () => {
    const { far, client, pairs } = connected();
    client.patientState(KEY, () => {});
    await settle();
    pairs[0]?.drop();
    await vi.advanceTimersByTimeAsync(10);
    expect(far.log).toEqual([`+state ${KEY}`, `-state ${KEY}`]);
  });

  it.each<[string, Wish, number]>([
    [
      "another path than a patient's",
      { type: "subscribe", id: 1, what: "patient_state", key: "a/b/c/d/e" },
      0,
    ],
    ["nobody's presence", { type: "subscribe", id: 1, what: "presence", key: "" }, 0],
    ["somebody else's inbox", { type: "subscribe", id: 1, what: "user_inbox", key: KEY }, 0],
    ["ever more", { type: "subscribe", id: 1, what: "patient_state", key: KEY }, 64],
    ["what there is not", { type: "subscribe", id: 1, what: "ledger", key: KEY } as never, 0],
  ])("doesn't give %s", (_, wish, subscriptions) => {
    expect(isAllowed(wish, subscriptions)).toBe(false);
  });

  it("says so of what it doesn't give", async () => {
    const { client } = connected();
    const hear = vi.fn();
    client.patientState("a/b/c/d/e", hear);
    await settle();
    expect(hear).toHaveBeenLastCalledWith({ liveness: "refused", document: undefined });
  });

  it("gives a patient by key and the own inbox", () => {
    expect(isAllowed({ type: "subscribe", id: 1, what: "patient_state", key: KEY }, 0)).toBe(true);
    expect(isAllowed({ type: "subscribe", id: 1, what: "user_inbox", key: "" }, 63)).toBe(true);
  });
});
