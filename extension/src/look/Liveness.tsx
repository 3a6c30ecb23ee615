import type { Liveness } from "../ports";
import { absoluteTime } from "./times";

interface Props {
  liveness: Liveness;
  /** The names of the others who have this patient open. */
  seenBy?: readonly string[];
  /** When something was last heard, in milliseconds; null: nothing yet. */
  lastHeard: number | null;
}

const WORDS: Record<Liveness, string> = {
  connecting: "Connecting",
  live: "Live",
  reconnecting: "Reconnecting",
  offline: "Offline",
  refused: "Not live",
};

const STALE: ReadonlySet<Liveness> = new Set(["reconnecting", "offline", "refused"]);

/** Whether what shows is the newest, and who else looks. It is never silent about not being live. */
export function LivenessLine({ liveness, seenBy = [], lastHeard }: Props) {
  const tone = liveness === "live" ? " is-live" : STALE.has(liveness) ? " is-stale" : "";
  const heard = lastHeard === null ? "Nothing heard yet" : `Last heard ${absoluteTime(lastHeard)}`;
  const others = liveness === "live" ? seenBy : [];
  return (
    <p class={`liveness${tone}`} title={heard}>
      <span>{WORDS[liveness]}</span>
      {others.length > 0 && <span title={others.join(", ")}>· seen by {others.length}</span>}
    </p>
  );
}
