// What is known of a patient, put together from answers and documents in whatever order they come. Pure.
import type { Config, Status } from "../api/types";
import type { PatientStateDocument, PresenceDocument } from "../live/documents";
import { fromStatus, isOtherSnapshot, type Shown, withDocument } from "../patient/shown";

/**
 * What is known once the API answered. Its view of who the patient is always counts, for it is made for this
 * user; its state only where no newer one was heard of. At an equal version the answer counts: that the system
 * can't tell right now (blue) has no version of its own.
 */
export function withAnswer(
  known: Shown | null,
  document: PatientStateDocument | null,
  status: Status,
  config: Config,
): Shown | null {
  const fresh = fromStatus(status);
  if (fresh === null) return null;
  const earlier = known?.patientKey === fresh.patientKey ? known : null;
  const snapshotVersion = earlier?.snapshotVersion ?? null;
  if (earlier !== null && earlier.version > fresh.version) {
    const { name, idLabel, idMasked, dob } = fresh;
    return { ...earlier, name, idLabel, idMasked, dob };
  }
  const merged = { ...fresh, snapshotVersion };
  return document === null ? merged : withDocument(merged, document, config);
}

/** What is known once a document was heard, and whether the API has to be asked who the patient is now. */
export function withHeard(
  known: Shown,
  document: PatientStateDocument,
  config: Config,
): { known: Shown; askAgain: boolean } {
  const firstHeard = known.snapshotVersion === null && document.version > known.version;
  const next = withDocument(known, document, config);
  return {
    known: next,
    askAgain: document.patient_key === known.patientKey && (firstHeard || isOtherSnapshot(known, document)),
  };
}

/** The names of the others who have the patient open, each once, however many windows they have. */
export function othersOf(presence: readonly PresenceDocument[], myUserId: string): string[] {
  const names = new Map<string, string>();
  for (const { user_id, user_display_name, status } of presence) {
    if (user_id !== myUserId && status === "open") names.set(user_id, user_display_name);
  }
  return [...names.values()].sort((one, other) => one.localeCompare(other));
}
