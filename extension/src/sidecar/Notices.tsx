import type { ComponentChildren } from "preact";
import { absoluteTime } from "../look/times";
import { When } from "../look/When";
import type { Liveness } from "../ports";
import type { PatientView } from "./patient";

interface Props {
  view: PatientView;
  /** Where to go back to, when the patient is not the one on the page. */
  elsewhere: "page" | "none" | null;
  /** Why what shows may not be the newest. */
  trouble: string | null;
  now: number;
  onBack(): void;
  onRetry(): void;
}

/** What is worth knowing about what shows: whose it is, how far it can be trusted, what was opened for a while. */
export function Notices({ view, elsewhere, trouble, now, onBack, onRetry }: Props) {
  const { lastHeard, liveness, glassUntil, problem } = view;
  return (
    <>
      {elsewhere !== null && (
        <Notice>
          {elsewhere === "page" ? "Not the patient on the page" : "Opened by hand: no patient on the page"} ·{" "}
          <button type="button" class="plain" onClick={onBack}>
            {elsewhere === "page" ? "Back" : "Close"}
          </button>
        </Notice>
      )}
      {glassUntil !== null && (
        <Notice>
          All of this patient is open to you until{" "}
          <time title={absoluteTime(glassUntil)}>{clock(glassUntil)}</time>: you broke the glass.
        </Notice>
      )}
      {trouble !== null && (
        <Notice warns>
          {trouble}
          {liveness !== "live" && lastHeard !== null && (
            <>
              {" "}
              What shows was known <When at={lastHeard} now={now} />.
            </>
          )}
          {problem && (
            <>
              {" "}
              <button type="button" class="plain" onClick={onRetry}>
                Try again
              </button>
            </>
          )}
        </Notice>
      )}
    </>
  );
}

const STALE: Partial<Record<Liveness, string>> = {
  reconnecting: "Live updates are interrupted.",
  offline: "You are offline. Drafts are kept.",
  refused: "Live updates were refused.",
};

/** Why the patient who shows may not be as of now, as a sentence; null: nothing is the matter. */
export function troubleOf(
  { phase, problem, liveness }: Pick<PatientView, "phase" | "problem" | "liveness">,
  unreachable: string | null,
): string | null {
  if (phase !== "shown") return null;
  return unreachable ?? (liveness === "offline" ? null : problem?.message) ?? STALE[liveness] ?? null;
}

function Notice({ warns = false, children }: { warns?: boolean; children: ComponentChildren }) {
  return <p class={warns ? "notice warns" : "notice"}>{children}</p>;
}

const clock = (at: number): string => new Intl.DateTimeFormat("en-US", { timeStyle: "short" }).format(at);
