import { useCallback, useMemo, useState } from "preact/hooks";
import { LivenessLine } from "../look/Liveness";
import { birthDate } from "../look/times";
import type { Shown } from "../patient/shown";
import type { Surroundings } from "../ports";
import { SendForm } from "../send/SendForm";
import { PanelIcon } from "./icons";
import type { MiniModel } from "./model";
import { Search } from "./Search";
import type { MiniView } from "./view";

interface Props {
  view: Extract<MiniView, { kind: "patient" }>;
  model: MiniModel;
  surroundings: Surroundings;
  onDirty(dirty: boolean): void;
  /** Whether it can be seen: not while it is minimized or folded. */
  onScreen: boolean;
}

/** The patient, what is open, and Send. */
export function PatientBody({ view, model, surroundings, onDirty, onScreen }: Props) {
  const { shown, config, picked } = view;
  const [correcting, setCorrecting] = useState(false);
  const { session, problem, liveness, lastHeard, others, pageNames } = model.state;
  const trouble = session.state === "unreachable" ? session.problem : problem;
  const onSent = useCallback(() => model.refresh(), [model]);
  const pick = (patientKey: string) => {
    setCorrecting(false);
    model.pick(patientKey);
  };
  return (
    <>
      <Snapshot shown={shown} picked={picked} />
      <Tasking shown={shown} {...(surroundings.openSidecar && { open: surroundings.openSidecar })} />
      {correcting && <Search surroundings={surroundings} focused onPick={pick} />}
      <div hidden={correcting}>
        <SendForm
          surface="mini"
          surroundings={surroundings}
          config={config}
          shown={shown}
          onSent={onSent}
          onDirty={onDirty}
          onScreen={onScreen && !correcting}
          compact
        />
      </div>
      {trouble !== null && <p class="trouble">Not up to date. {trouble}</p>}
      {trouble === null && liveness === "offline" && (
        <p class="trouble">No network: a Send is kept as a draft until it is back.</p>
      )}
      <div class="foot">
        <LivenessLine liveness={liveness} seenBy={others} lastHeard={lastHeard} />
        <span class="foot-end">
          {picked && !correcting && (
            <button type="button" class="plain" onClick={() => model.backToPage()}>
              {pageNames ? "Back to the page's patient" : "Back to search"}
            </button>
          )}
          {(!picked || correcting) && (
            <button
              type="button"
              class="plain"
              aria-expanded={correcting}
              onClick={() => setCorrecting(!correcting)}
            >
              {correcting ? "It is this patient" : "Wrong patient?"}
            </button>
          )}
          {!correcting && !picked && <SendKeys />}
        </span>
      </div>
    </>
  );
}

function Snapshot({ shown, picked }: { shown: Shown; picked: boolean }) {
  const { name, idLabel, idMasked, dob } = shown;
  const details = [[idLabel, idMasked].filter(Boolean).join(" "), dob === null ? "" : birthDate(dob)];
  const told = details.filter((each) => each !== "").join(" · ");
  return (
    <p class="snapshot">
      {name === null ? (
        <span class="quiet">Name hidden by policy</span>
      ) : (
        <bdi class="name cut" title={name}>
          {name}
        </bdi>
      )}
      {told !== "" && <span class="quiet">{told}</span>}
      {picked && <span class="by-hand">Picked by hand</span>}
    </p>
  );
}

function Tasking({ shown, open }: { shown: Shown; open?: (patientKey: string) => void }) {
  const standing = shown.needsAck
    ? "needs your acknowledgement"
    : shown.outcome === "dismissed" && "dismissed";
  const mode = [shown.modeText, standing].filter(Boolean).join(" · ");
  // When the system can't tell, the header has said so.
  const summary = shown.tasking === shown.proceedText ? "" : shown.tasking;
  if (summary === "" && mode === "") return null;
  return (
    <div>
      {open === undefined || summary === "" ? (
        <p>{summary}</p>
      ) : (
        <button type="button" class="tasking" title="Open in Sidecar" onClick={() => open(shown.patientKey)}>
          <span>{summary}</span>
          <PanelIcon />
        </button>
      )}
      {mode !== "" && <p class="mode">{mode}</p>}
    </div>
  );
}

function SendKeys() {
  const keys = useMemo(() => (/mac/i.test(navigator.platform) ? "⌘↵" : "Ctrl ↵"), []);
  return (
    <span class="quiet keys" aria-hidden="true">
      <kbd>{keys}</kbd> Send
    </span>
  );
}
