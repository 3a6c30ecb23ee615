// When a Send left the browser and when its answer came, as the network itself tells: a busy page calls later than
// it wants to, and reads the answer later than it came.
import type { SideName } from "../side";

const SEND = /\/api\/v1\/(mini|sidecar)\/ack$/;

/** Tells of each Send that was answered, in milliseconds since 1970; returns what ends it. */
export function watchNetwork(
  tell: (from: SideName, requestAt: number, responseAt: number) => void,
): () => void {
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const surface = SEND.exec(entry.name)?.[1];
      if (surface === undefined || !(entry instanceof PerformanceResourceTiming)) continue;
      // What was not measured is told as nought.
      if (entry.requestStart === 0 || entry.responseStart === 0) continue;
      const { timeOrigin } = performance;
      const from = surface === "mini" ? "left" : "right";
      tell(from, timeOrigin + entry.requestStart, timeOrigin + entry.responseStart);
    }
  });
  observer.observe({ type: "resource" });
  return () => observer.disconnect();
}
