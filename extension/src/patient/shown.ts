// What both surfaces show of a patient, whichever way it came: by the API or by a document. Pure.
import type {
  AssertedProceed,
  AssertedTasking,
  Config,
  ExecutionMode,
  OutcomeKind,
  ProceedIndicator,
  Reason,
  SidecarState,
  Status,
} from "../api/types";
import type { PatientStateDocument } from "../live/documents";
import type { Heard, Liveness } from "../ports";

export interface ShownSubmission {
  who: string;
  /** Milliseconds. */
  when: number;
  proceed: AssertedProceed | null;
  tasking: AssertedTasking | null;
  confirmed: boolean;
  /** A newer response exists than the one that was acknowledged. */
  superseded: boolean;
}

export interface Shown {
  patientKey: string;
  /** Never goes back: see `withDocument`. */
  version: number;
  name: string | null;
  idLabel: string | null;
  idMasked: string | null;
  /** An ISO date, or the year alone. */
  dob: string | null;
  proceed: ProceedIndicator;
  proceedText: string;
  tasking: string;
  mode: ExecutionMode | null;
  modeText: string | null;
  needsAck: boolean;
  outcome: OutcomeKind | null;
  responseId: string | null;
  /** Milliseconds. */
  computedAt: number | null;
  rationale: readonly Reason[];
  submission: ShownSubmission | null;
  /** The version of the shared snapshot that was last heard of: another one means to ask the API again. */
  snapshotVersion: number | null;
}

const milliseconds = (time: string): number => Date.parse(time);

/** Mini's answer as shown; null when nobody is known by that name. */
export function fromStatus(status: Status): Shown | null {
  const { patient, proceed, tasking, last_submission: last } = status;
  if (!patient.found || patient.patient_key === null) return null;
  return {
    patientKey: patient.patient_key,
    version: status.version,
    name: patient.display_name,
    idLabel: patient.id_label,
    idMasked: patient.id_masked,
    dob: patient.dob,
    proceed: proceed.color,
    proceedText: proceed.text,
    tasking: tasking.text,
    mode: status.mode,
    modeText: tasking.mode_text,
    needsAck: status.needs_ack,
    outcome: status.outcome,
    responseId: status.system_response_id,
    computedAt: status.computed_at === null ? null : milliseconds(status.computed_at),
    rationale: [],
    submission: last && {
      who: last.who,
      when: milliseconds(last.when),
      proceed: last.override_proceed,
      tasking: last.override_tasking,
      confirmed: last.confirmed,
      superseded: last.superseded,
    },
    snapshotVersion: null,
  };
}

/** Sidecar's answer as shown; null when nobody is known by that key. */
export function fromState(answer: SidecarState, config: Config): Shown | null {
  const { patient_state: state } = answer;
  if (!state.found) return null;
  const { snapshot, system_response: response, last_submission: last } = state;
  const proceed = response?.proceed_indicator ?? "grey";
  const mode = response?.execution_mode ?? null;
  return {
    patientKey: state.patient_key,
    version: state.version,
    name: snapshot?.display_name ?? null,
    idLabel: snapshot?.id_label ?? null,
    idMasked: snapshot?.id_masked ?? null,
    dob: snapshot?.dob ?? null,
    proceed,
    proceedText: config.texts.proceed[proceed] ?? "",
    tasking: response?.tasking_summary ?? "",
    mode,
    modeText: mode && (config.texts.mode[mode] ?? null),
    needsAck: state.flags.needs_ack,
    outcome: state.outcome,
    responseId: response?.system_response_id ?? null,
    computedAt: response ? milliseconds(response.computed_at) : null,
    rationale: response?.rationale ?? [],
    submission: last && {
      who: last.user_display_name,
      when: milliseconds(last.submitted_at),
      proceed: last.override_proceed,
      tasking: last.override_tasking,
      confirmed: last.confirmed,
      superseded: response !== null && last.system_response_id !== response.system_response_id,
    },
    snapshotVersion: snapshot?.snapshot_version ?? null,
  };
}

/**
 * What is shown once `document` was heard. A document of an older version changes nothing, nor does one of
 * another patient. Who the patient is stays as the API told it to this user: the document holds only what every
 * role may see.
 */
export function withDocument(shown: Shown, document: PatientStateDocument, config: Config): Shown {
  if (document.patient_key !== shown.patientKey || document.version < shown.version) return shown;
  const snapshotVersion = document.snapshot?.snapshot_version ?? null;
  if (document.version === shown.version) return { ...shown, snapshotVersion };
  const { latest_system_response: response, last_mini_submission: last } = document;
  const proceed = response?.proceed_indicator ?? "grey";
  const mode = config.variant.show_mode ? (response?.execution_mode ?? null) : null;
  return {
    ...shown,
    version: document.version,
    proceed,
    proceedText: config.texts.proceed[proceed] ?? "",
    tasking: response?.tasking_summary ?? shown.tasking,
    mode,
    modeText: mode && (config.texts.mode[mode] ?? null),
    needsAck: document.flags.needs_ack,
    outcome: document.outcome,
    responseId: response?.system_response_id ?? null,
    computedAt: response?.computed_at ?? null,
    rationale: response?.rationale ?? [],
    submission: last && {
      who: last.user_display_name,
      when: last.submitted_at,
      proceed: last.override_proceed,
      tasking: last.override_tasking,
      confirmed: last.confirmed,
      superseded: response !== null && last.system_response_id !== response.system_response_id,
    },
    snapshotVersion,
  };
}

/** Whether what the document says of the snapshot is news, so that this user's own view has to be asked for. */
export function isOtherSnapshot(shown: Shown, document: PatientStateDocument): boolean {
  const heard = document.snapshot?.snapshot_version ?? null;
  return (
    shown.snapshotVersion !== null && heard !== shown.snapshotVersion && document.version >= shown.version
  );
}

/**
 * How live what shows is. The API may be ahead of the documents: an older one, or none, doesn't confirm what it
 * told, however well it is listened to.
 */
export function livenessOf(heard: Heard<PatientStateDocument>, shown: Shown | null): Liveness {
  const isBehind = (heard.document?.version ?? 0) < (shown?.version ?? 0);
  return heard.liveness === "live" && isBehind ? "connecting" : heard.liveness;
}
