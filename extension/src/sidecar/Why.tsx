import type { Reason } from "../api/types";
import { Indicator } from "../look/Indicator";
import { When } from "../look/When";
import type { Shown } from "../patient/shown";
import { Section } from "./Section";
import { inWords, proceedWord } from "./words";

/** Why the indicator is what it is: what decided first, then what else is known. */
export function Why({ shown, now }: { shown: Shown; now: number }) {
  const deciding = shown.rationale.filter((each) => each.decided);
  const others = shown.rationale.filter((each) => !each.decided);
  return (
    <Section place="why" title="Why">
      {shown.proceed === "blue" && (
        <p class="hint">
          Mobius could not decide just now.
          {shown.computedAt !== null && shown.rationale.length > 0 && (
            <>
              {" "}
              What follows was decided <When at={shown.computedAt} now={now} />.
            </>
          )}
        </p>
      )}
      {shown.rationale.length === 0 && <p class="quiet">{withoutReasons(shown)}</p>}
      {deciding.length > 0 && (
        <Reasons
          title={shown.proceed === "blue" ? "Decided" : `Decides ${proceedWord(shown.proceed)}`}
          reasons={deciding}
          now={now}
          shape={shown.proceed === "blue" ? null : shown.proceed}
        />
      )}
      {others.length > 0 && (
        <Reasons
          title={deciding.length > 0 ? "Also known" : "Known"}
          reasons={others}
          now={now}
          shape={null}
        />
      )}
    </Section>
  );
}

interface ReasonsProps {
  title: string;
  reasons: readonly Reason[];
  now: number;
  /** The indicator that these reasons made; null: none. */
  shape: Shown["proceed"] | null;
}

function Reasons({ title, reasons, now, shape }: ReasonsProps) {
  return (
    <>
      <h4 class="label">{title}</h4>
      <ul class={shape ? "reasons decide" : "reasons"}>
        {reasons.map((reason) => (
          <li key={`${reason.signal} ${reason.source_system} ${reason.text}`}>
            {shape ? <Indicator proceed={shape} size={12} /> : <span class="dot" aria-hidden="true" />}
            <div>
              <p>{reason.text}</p>
              <p class="quiet small">
                {inWords(reason.source_system)} · seen{" "}
                <When at={new Date(reason.observed_at).getTime()} now={now} />
              </p>
            </div>
          </li>
        ))}
      </ul>
    </>
  );
}

function withoutReasons({ responseId, proceed, tasking }: Shown): string {
  if (responseId === null) return "Nothing was surfaced for this patient yet.";
  return proceed === "green" ? "No signal stands in the way." : tasking || "No signal is known.";
}
