import { useId, useState } from "preact/hooks";
import type { ApiProblem } from "../api/problem";
import type { Config } from "../api/types";
import type { Patient } from "./patient";
import { problemOf } from "./problems";
import { Sheet } from "./Sheet";
import { glassReasonWords } from "./words";

interface Props {
  patient: Patient;
  config: Config;
  onClose(): void;
  onDone(): void;
}

const LONGEST_EXPLANATION = 1000;

/** Opens, for a while, what the policy keeps from the role, and tells the auditors so. */
export function Glass({ patient, config, onClose, onDone }: Props) {
  const id = useId();
  const [reason, setReason] = useState<Config["break_glass_reasons"][number] | "">("");
  const [explanation, setExplanation] = useState("");
  const [isRunning, setRunning] = useState(false);
  const [problem, setProblem] = useState<ApiProblem | null>(null);
  const isReady = reason !== "" && explanation.trim() !== "" && !isRunning;
  const minutes = Math.round(config.timers.break_glass_s / 60);
  const aboutExplanation = problem?.about("explanation");

  const breakIt = async () => {
    if (!isReady) return;
    setRunning(true);
    setProblem(null);
    try {
      await patient.breakGlass(reason, explanation.trim());
      onDone();
    } catch (error) {
      setProblem(problemOf(error));
      setRunning(false);
    }
  };

  return (
    <Sheet title="Break the glass" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void breakIt();
        }}
      >
        <p class="quiet">
          Shows you all of this patient for {minutes} min, whatever your role usually sees. Auditors read who
          did it, when and why.
        </p>
        <label class="field" for={`${id}-reason`}>
          <span class="label">Reason</span>
          <select
            id={`${id}-reason`}
            required
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value as typeof reason)}
          >
            <option value="" disabled>
              Choose a reason
            </option>
            {config.break_glass_reasons.map((each) => (
              <option key={each} value={each}>
                {glassReasonWords(each)}
              </option>
            ))}
          </select>
        </label>
        <label class="field" for={`${id}-explanation`}>
          <span class="label">Explanation, for the auditors only</span>
          <textarea
            id={`${id}-explanation`}
            rows={2}
            required
            maxLength={LONGEST_EXPLANATION}
            dir="auto"
            value={explanation}
            aria-invalid={aboutExplanation !== undefined}
            onInput={(event) => setExplanation(event.currentTarget.value)}
          />
        </label>
        {problem && (
          <p class="problem" role="alert">
            {aboutExplanation ? `The explanation ${aboutExplanation}.` : problem.message}
          </p>
        )}
        <div class="buttons">
          <button type="submit" class="main" aria-disabled={!isReady}>
            {isRunning ? "Breaking…" : "Break the glass"}
          </button>
          <button type="button" class="second" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Sheet>
  );
}
