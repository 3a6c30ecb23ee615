import type { AssertedProceed, AssertedTasking } from "../api/types";
import { PROCEED_WORDS, TASKING_WORDS } from "../look/words";
import { type Answered, type Chosen, type Content, presetOf } from "./draft";
import type { FormField } from "./sentences";

interface Props {
  id: string;
  content: Content;
  answered: Answered;
  mayOverride: boolean;
  problems: Partial<Record<FormField, string>>;
  onChange(change: Partial<Chosen>): void;
}

const PROCEED: readonly AssertedProceed[] = ["green", "yellow", "grey"];
const TASKING: readonly AssertedTasking[] = ["none", "review", "act"];

/** What the user asserts: Proceed, preset to the system's, and Tasking, kept unless they say otherwise. */
export function AssertedValues({ id, content, answered, mayOverride, problems, onChange }: Props) {
  const preset = presetOf(answered.proceed);
  const overrides = preset !== null && content.override_proceed !== preset;
  const locked = mayOverride ? undefined : `${id}-confirm-only`;
  return (
    <>
      <div class="send-field">
        <label for={`${id}-proceed`}>Proceed</label>
        <select
          id={`${id}-proceed`}
          value={content.override_proceed ?? ""}
          disabled={!mayOverride}
          aria-invalid={problems.proceed !== undefined}
          aria-describedby={problems.proceed === undefined ? locked : `${id}-proceed-problem`}
          onChange={(event) => onChange({ proceed: oneOf(PROCEED, event.currentTarget.value) })}
        >
          {preset === null && <option value="">Choose…</option>}
          {PROCEED.map((each) => (
            <option key={each} value={each}>
              {PROCEED_WORDS[each]}
            </option>
          ))}
        </select>
        {overrides && <p class="send-hint">Overrides {PROCEED_WORDS[preset]}</p>}
        {problems.proceed !== undefined && (
          <p class="problem" id={`${id}-proceed-problem`}>
            {problems.proceed}
          </p>
        )}
      </div>
      <div class="send-field">
        <label for={`${id}-tasking`}>Tasking</label>
        <select
          id={`${id}-tasking`}
          value={content.override_tasking ?? ""}
          disabled={!mayOverride}
          aria-invalid={problems.tasking !== undefined}
          aria-describedby={problems.tasking === undefined ? locked : `${id}-tasking-problem`}
          onChange={(event) => onChange({ tasking: oneOf(TASKING, event.currentTarget.value) })}
        >
          <option value="">Keep</option>
          {TASKING.map((each) => (
            <option key={each} value={each}>
              {TASKING_WORDS[each]}
            </option>
          ))}
        </select>
        {problems.tasking !== undefined && (
          <p class="problem" id={`${id}-tasking-problem`}>
            {problems.tasking}
          </p>
        )}
      </div>
    </>
  );
}

function oneOf<T extends string>(known: readonly T[], value: string): T | null {
  return known.find((each) => each === value) ?? null;
}
