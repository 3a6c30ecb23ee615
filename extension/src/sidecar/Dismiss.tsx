import { useId, useState } from "preact/hooks";
import type { Config, OutcomeKind } from "../api/types";
import type { Shown } from "../patient/shown";
import type { Patient } from "./patient";
import { problemOf } from "./problems";
import { Sheet } from "./Sheet";
import { dismissReasonWords, proceedWord } from "./words";

interface Props {
  patient: Patient;
  shown: Shown;
  config: Config;
  onClose(): void;
  onDone(outcome: OutcomeKind): void;
}

/** Sets the response aside that the user saw when they asked for it: a newer one has to be read first. */
export function Dismiss({ patient, shown, config, onClose, onDone }: Props) {
  const id = useId();
  const [about, setAbout] = useState(shown.responseId);
  const [reason, setReason] = useState<Config["dismiss_reasons"][number] | "">("");
  const [isRunning, setRunning] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);
  const isOther = about !== shown.responseId;
  const isReady = reason !== "" && !isOther && !isRunning;

  const dismiss = async () => {
    if (!isReady) return;
    setRunning(true);
    setProblem(null);
    try {
      onDone(await patient.dismiss(reason, about));
    } catch (error) {
      setProblem(problemOf(error).message);
      setRunning(false);
    }
  };

  return (
    <Sheet title="Dismiss this response" onClose={onClose}>
      <form
        class="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void dismiss();
        }}
      >
        <p class="quiet">
          Dismiss sets the response aside for everybody: no note, nothing asserted, recorded as dismissed. To
          say what you know or did, use Send instead: that acknowledges it.
        </p>
        <fieldset>
          <legend class="label">Why not Send?</legend>
          {config.dismiss_reasons.map((each) => (
            <label key={each} class="choice" for={`${id}-${each}`}>
              <input
                id={`${id}-${each}`}
                type="radio"
                name={`${id}-reason`}
                checked={reason === each}
                onChange={() => setReason(each)}
              />
              {dismissReasonWords(each)}
            </label>
          ))}
        </fieldset>
        {isOther && (
          <p class="awaits" role="alert">
            It changed meanwhile: now {proceedWord(shown.proceed)}, {shown.tasking || shown.proceedText}.{" "}
            <button type="button" class="plain" onClick={() => setAbout(shown.responseId)}>
              Dismiss the new one
            </button>
          </p>
        )}
        {problem && (
          <p class="problem" role="alert">
            {problem}
          </p>
        )}
        <div class="buttons">
          <button type="submit" class="main" aria-disabled={!isReady}>
            {isRunning ? "Dismissing…" : "Dismiss"}
          </button>
          <button type="button" class="second" onClick={onClose}>
            Cancel
          </button>
        </div>
      </form>
    </Sheet>
  );
}
