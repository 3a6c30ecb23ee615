import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { PresenceDocument } from "../src/live/documents";
import { afterError, afterTold, type Guard } from "../src/live/hearing";
import { type Hear, Hub } from "../src/live/hub";
import { listenOn, type Network, type Start } from "../src/live/listener";
import { withoutExpired } from "../src/live/present";
import type { Heard } from "../src/ports";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const live = <T>(document: T): Heard<T> => ({ liveness: "live", document });

function hubOf() {
  const hears = new Map<string, Hear<string>>();
  const log: string[] = [];
  const hub = new Hub<string>((name, hear) => {
    log.push(`+${name}`);
    hears.set(name, hear);
    return () => void log.push(`-${name}`);
  }, 5_000);
  return { hub, log, say: (name: string, text: string) => hears.get(name)?.(live(text)) };
}

describe("a hub", () => {
  it("listens once for many subscribers and tells newcomers what was heard last", () => {
    const { hub, log, say } = hubOf();
    const one = vi.fn();
    const two = vi.fn();
    hub.subscribe("a", one);
    say("a", "first");
    hub.subscribe("a", two);
    expect(log).toEqual(["+a"]);
    expect(two.mock.calls).toEqual([[live("first")]]);
    say("a", "second");
    expect(one).toHaveBeenLastCalledWith(live("second"));
    expect(two).toHaveBeenLastCalledWith(live("second"));
  });

  it("lingers for whoever comes back, then stops and forgets", () => {
    const { hub, log, say } = hubOf();
    hub.subscribe("a", () => {})();
    vi.advanceTimersByTime(4_000);
    const back = hub.subscribe("a", () => {});
    vi.advanceTimersByTime(10_000);
    expect(log).toEqual(["+a"]);
    say("a", "old");
    back();
    back();
    vi.advanceTimersByTime(5_000);
    expect(log).toEqual(["+a", "-a"]);
    const hear = vi.fn();
    hub.subscribe("a", hear);
    expect(hear).not.toHaveBeenCalled();
  });

  it("leaves nothing behind when it ends, and hears nothing from a listener that talks on", () => {
    const { hub, log, say } = hubOf();
    const hear = vi.fn();
    const leave = hub.subscribe("a", hear);
    hub.end();
    say("a", "late");
    leave();
    vi.advanceTimersByTime(60_000);
    expect(hear).not.toHaveBeenCalled();
    expect(log).toEqual(["+a", "-a"]);
  });

  it("lets the same function subscribe twice and leave once", () => {
    const { hub, say } = hubOf();
    const hear = vi.fn();
    const leave = hub.subscribe("a", hear);
    hub.subscribe("a", hear);
    leave();
    say("a", "x");
    expect(hear).toHaveBeenCalledTimes(1);
  });

  it("lets a subscriber leave while it is being told", () => {
    const { hub, say } = hubOf();
    const leave = hub.subscribe("a", () => leave());
    const other = vi.fn();
    hub.subscribe("a", other);
    say("a", "x");
    expect(other).toHaveBeenCalledTimes(1);
  });
});

interface Versioned {
  version: number;
}
const guard = (floor = 0): Guard<Versioned> => ({ versionOf: ({ version }) => version, floor });
const unknown: Heard<Versioned> = { liveness: "connecting", document: undefined };

describe("what is heard", () => {
  it("never goes back to an older version, in whatever order it comes", () => {
    const told = fc.record({
      document: fc.option(fc.record({ version: fc.integer({ min: 1, max: 9 }) })),
      fromCache: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(told), fc.boolean(), (all, isOnline) => {
        const own = guard();
        let last = unknown;
        let newest = 0;
        for (const each of all) {
          last = afterTold(last, each, isOnline, own);
          const version = last.document?.version ?? 0;
          expect(version).toBeGreaterThanOrEqual(newest);
          newest = version;
          // Only what a server just confirmed is called live.
          if (last.liveness === "live") expect(each.fromCache).toBe(false);
          if (last.liveness === "live") expect(last.document).toEqual(each.document);
        }
      }),
    );
  });

  it("is not blanked by a server that lost its documents: it is just not live any more", () => {
    const known = afterTold(unknown, { document: { version: 3 }, fromCache: false }, true, guard());
    expect(afterTold(known, { document: null, fromCache: false }, true, guard(3))).toEqual({
      document: { version: 3 },
      liveness: "reconnecting",
    });
  });

  it("keeps the guard when a listener begins anew", () => {
    const heard = afterTold(unknown, { document: { version: 2 }, fromCache: false }, true, guard(5));
    expect(heard).toEqual({ document: undefined, liveness: "reconnecting" });
  });

  it("says that there is none only when the server says so", () => {
    expect(afterTold(unknown, { document: null, fromCache: true }, true, guard())).toEqual(unknown);
    expect(afterTold(unknown, { document: null, fromCache: false }, true, guard())).toEqual({
      document: null,
      liveness: "live",
    });
  });

  it("leaves nothing to read for whoever may not read", () => {
    const known = live({ version: 3 });
    expect(afterError(known, "permission-denied", true)).toEqual({
      liveness: "refused",
      document: undefined,
    });
    expect(afterError(known, "unavailable", true)).toEqual({ ...known, liveness: "reconnecting" });
    expect(afterError(known, "unavailable", false)).toEqual({ ...known, liveness: "offline" });
  });
});

describe("a listener", () => {
  function listening() {
    let isOnline = true;
    const acts = new Set<() => void>();
    const network: Network = {
      isOnline: () => isOnline,
      onChange(act) {
        acts.add(act);
        return () => acts.delete(act);
      },
    };
    const starts: Parameters<Start<string>>[] = [];
    const stopped = vi.fn();
    const heard: Heard<string>[] = [];
    const start: Start<string> = (tell, broke) => {
      starts.push([tell, broke]);
      return stopped;
    };
    const stop = listenOn(start, (each) => heard.push(each), network);
    const last = () => heard[heard.length - 1];
    const current = () => starts[starts.length - 1];
    return {
      ...{ starts, stopped, heard, stop, last, current, acts },
      go(online: boolean) {
        isOnline = online;
        for (const act of [...acts]) act();
      },
    };
  }

  it("says at once that it connects, then what the server says", () => {
    const { last, current } = listening();
    expect(last()).toEqual({ liveness: "connecting", document: undefined });
    current()?.[0]({ document: "x", fromCache: false });
    expect(last()).toEqual(live("x"));
    current()?.[0]({ document: "x", fromCache: true });
    expect(last()?.liveness).toBe("reconnecting");
  });

  it("begins again after it broke off, ever less often, and not without end at once", () => {
    const { starts, current, last } = listening();
    for (let failures = 0; failures < 12; failures += 1) {
      current()?.[1]("permission-denied");
      expect(last()?.liveness).toBe("refused");
      vi.advanceTimersByTime(80_000);
    }
    expect(starts).toHaveLength(13);
    current()?.[1]("permission-denied");
    vi.advanceTimersByTime(20_000);
    expect(starts).toHaveLength(13);
  });

  it("asks the server anew when the network is back, even if nothing seemed to break", () => {
    const { starts, current, last, go } = listening();
    const [tellBefore] = starts[0] ?? [];
    current()?.[0]({ document: "x", fromCache: false });
    go(false);
    expect(last()).toEqual({ liveness: "offline", document: "x" });
    go(true);
    expect(last()?.liveness).toBe("reconnecting");
    expect(starts).toHaveLength(2);
    tellBefore?.({ document: "late", fromCache: false });
    expect(last()?.document).toBe("x");
    current()?.[0]({ document: "y", fromCache: false });
    expect(last()).toEqual(live("y"));
  });

  it("is quiet once it was stopped", () => {
    const { stop, stopped, current, heard, starts, acts } = listening();
    current()?.[1]("unavailable");
    stop();
    const before = heard.length;
    vi.advanceTimersByTime(600_000);
    current()?.[0]({ document: "x", fromCache: false });
    expect(heard).toHaveLength(before);
    expect(starts).toHaveLength(1);
    expect(stopped).toHaveBeenCalled();
    expect(acts.size).toBe(0);
  });
});

describe("presence", () => {
  const who = (name: string, expiresIn: number, status: "open" | "closed" = "open"): PresenceDocument => ({
    user_id: name,
    user_display_name: name,
    application_id: null,
    page_signature: null,
    surface_type: "mini",
    patient_key: "p",
    status,
    last_seen_at: Date.now(),
    expires_at: Date.now() + expiresIn,
  });

  it("leaves out who has gone, also when nobody says so", () => {
    const names: string[][] = [];
    const present = withoutExpired(({ document }) =>
      names.push((document ?? []).map((each) => each.user_id)),
    );
    present.hear(live([who("ann", 1_000), who("bo", 9_000), who("cy", 9_000, "closed"), who("di", -1)]));
    expect(names).toEqual([["ann", "bo"]]);
    vi.advanceTimersByTime(1_100);
    expect(names).toEqual([["ann", "bo"], ["bo"]]);
    present.stop();
    vi.advanceTimersByTime(60_000);
    expect(names).toHaveLength(2);
  });
});
