// What the strip says in words.
import type { SideName } from "../side";
import { durationOf, STAGES, type StageName, type Stages } from "./way";

export const STAGE_WORDS: Record<StageName, { name: string; meaning: string }> = {
  http: { name: "HTTP", meaning: "from the browser to the answer" },
  commit: { name: "Commit", meaning: "PostgreSQL makes it true" },
  publish: { name: "Publish", meaning: "Pub/Sub takes the message" },
  project: { name: "Project", meaning: "from the end of the commit to the Firestore document" },
  visible: { name: "Visible", meaning: "from the document to the other window" },
};

export const SURFACES: Record<SideName, string> = { left: "Mini", right: "Sidecar" };

const TENTHS_BELOW_MS = 10;

/** `4.2` or `38`; a dash for what is not known. */
export function inMilliseconds(duration: number | null): string {
  if (duration === null) return "–";
  return duration < TENTHS_BELOW_MS ? duration.toFixed(1) : String(Math.round(duration));
}

export function directionOf(from: SideName): string {
  return `${SURFACES[from]} → ${SURFACES[from === "left" ? "right" : "left"]}`;
}

/** The whole way in a sentence, for whoever doesn't see the drawing. */
export function sentenceOf(stages: Stages, whole: number | null): string {
  const each = STAGES.map((name) => {
    const duration = durationOf(stages[name]);
    const said = duration === null ? "not known" : `${inMilliseconds(duration)} milliseconds`;
    return `${STAGE_WORDS[name].name} ${said}`;
  });
  const end =
    whole === null
      ? "The other window has not shown it."
      : `Seen in the other window after ${inMilliseconds(whole)} milliseconds.`;
  return `${each.join(", ")}. ${end}`;
}
