// Presence without what has expired. Firestore deletes such documents late.
import type { Heard } from "../ports";
import type { PresenceDocument } from "./documents";
import type { Hear } from "./hub";

export const unexpired = (documents: readonly PresenceDocument[], now: number): PresenceDocument[] =>
  documents.filter(({ status, expires_at }) => status === "open" && expires_at > now);

/** Passes on what it hears, and says it again whenever somebody's presence expires. */
export function withoutExpired(hear: Hear<PresenceDocument[]>): {
  hear: Hear<PresenceDocument[]>;
  stop: () => void;
} {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const pass = (heard: Heard<PresenceDocument[]>) => {
    clearTimeout(timer);
    const now = Date.now();
    const document = heard.document && unexpired(heard.document, now);
    hear({ ...heard, document });
    if (!document?.length) return;
    const next = Math.min(...document.map((each) => each.expires_at));
    // A timer of more than 24 days would fire at once.
    timer = setTimeout(() => pass(heard), Math.min(next - now + 1, 2 ** 31 - 1));
  };
  return { hear: pass, stop: () => clearTimeout(timer) };
}
