import type { ComponentChildren } from "preact";
import type { Config } from "../api/types";
import { Indicator } from "../look/Indicator";
import type { Surroundings } from "../ports";
import type { Patient, PatientView } from "./patient";
import { Skeleton, State } from "./States";
import { inWords } from "./words";

interface Props {
  state: PatientView;
  config: Config;
  patient: Patient;
  surroundings: Surroundings;
  menu: ComponentChildren;
  onBreak(): void;
}

/** A patient of whom there is nothing to show: why that is, and what can be done. */
export function NotShown({ state, config, patient, surroundings, menu, onBreak }: Props) {
  const { phase, problem } = state;
  if (phase === "loading" || phase === "shown") return <Skeleton />;
  const again = (label: string) => (
    <button type="button" class="second" onClick={patient.refresh}>
      {label}
    </button>
  );
  return (
    <div class="head-top">
      {phase === "unknown" && (
        <State title="Patient not known">
          <p class="verdict">
            <Indicator proceed="grey" /> <b class="is-grey">Grey</b> {config.texts.proceed.grey}
          </p>
          <p class="quiet">
            Mobius knows nothing about this patient. As soon as an intake brings them in, it shows here.
          </p>
        </State>
      )}
      {phase === "locked" && (
        <State title="No Sidecar for your role">
          <p class="quiet">
            Your role, {inWords(config.user.role)}, does not include Sidecar.
            {config.permissions.break_glass &&
              " You can open this one patient for a while by breaking the glass."}
          </p>
          {problem && <p class="awaits">The glass before this patient is not broken, or no longer.</p>}
          {config.permissions.break_glass && (
            <div class="buttons">
              <button type="button" class="main" onClick={onBreak}>
                Break the glass…
              </button>
              {again("I have broken it: show")}
            </div>
          )}
        </State>
      )}
      {phase === "refused" && (
        <State title={problem?.status === 401 ? "Your sign-in has ended" : "Not allowed"}>
          <p class="quiet">
            {problem?.status === 401 ? "Sign in again to see this patient." : (problem?.message ?? "")}
          </p>
          <div class="buttons">
            {problem?.status === 401 && surroundings.signIn && (
              <button type="button" class="main" onClick={() => surroundings.signIn?.()}>
                Sign in
              </button>
            )}
            {again("Try again")}
          </div>
        </State>
      )}
      {phase === "failed" && (
        <State title="Can’t tell right now">
          <p class="verdict">
            <Indicator proceed="blue" size={24} /> <b class="is-blue">Blue</b> {config.texts.proceed.blue}
          </p>
          <p class="quiet">{problem?.message} It is tried again by itself.</p>
          <div class="buttons">{again("Try again now")}</div>
        </State>
      )}
      {menu}
    </div>
  );
}
