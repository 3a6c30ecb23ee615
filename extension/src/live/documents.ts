// The Firestore documents, as the projector writes them (handbook: data.md). Times are milliseconds.
import type {
  AssertedProceed,
  AssertedTasking,
  ExecutionMode,
  OutcomeKind,
  ProceedIndicator,
  Reason,
} from "../api/types";

/** `tenants/{tenant_id}/patient_state/{patient_key}` */
export interface PatientStateDocument {
  patient_key: string;
  version: number;
  snapshot: {
    display_name: string | null;
    id_label: string | null;
    id_masked: string | null;
    dob: string | null;
    snapshot_version: number;
    updated_at: number;
  } | null;
  latest_system_response: {
    system_response_id: string;
    computed_at: number;
    proceed_indicator: ProceedIndicator;
    execution_mode: ExecutionMode | null;
    tasking_summary: string;
    rationale: Reason[];
    needs_ack: boolean;
  } | null;
  last_mini_submission: {
    mini_submission_id: string;
    submitted_at: number;
    user_id: string;
    user_display_name: string;
    system_response_id: string;
    override_proceed: AssertedProceed | null;
    override_tasking: AssertedTasking | null;
    confirmed: boolean;
  } | null;
  outcome: OutcomeKind | null;
  flags: { needs_ack: boolean; open_assignment_count: number };
  updated_at: number;
}

/** `tenants/{tenant_id}/user_inbox/{user_id}`: of it only what says that the inbox changed. */
export interface UserInboxDocument {
  active: boolean;
  open_count: number;
  open_assignments: {
    assignment_id: string;
    patient_key: string;
    reason_code: string;
    created_at: number;
    status: string;
    claimed_by: string | null;
  }[];
  updated_at: number;
}

/** `tenants/{tenant_id}/invocation_presence/{invocation_id}` */
export interface PresenceDocument {
  user_id: string;
  user_display_name: string;
  application_id: string | null;
  page_signature: string | null;
  surface_type: "mini" | "sidecar";
  patient_key: string | null;
  status: "open" | "closed";
  last_seen_at: number;
  expires_at: number;
}
