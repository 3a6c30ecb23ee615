// Mini's surroundings as tests want them: an API that answers when it is told to, documents that are pushed by
// hand, drafts in memory.
import { ApiProblem } from "../src/api/problem";
import type { AnswerOf, Config, Endpoint, RequestOf, Status } from "../src/api/types";
import type { PatientStateDocument, PresenceDocument, UserInboxDocument } from "../src/live/documents";
import type { Api, CallOptions, Drafts, Heard, Live, Surroundings } from "../src/ports";

export const NOW = Date.parse("2026-03-02T15:00:00Z");
export const KEY = "patient-key-one";
export const OTHER_KEY = "patient-key-two";

export interface Call {
  endpoint: Endpoint;
  body: Record<string, unknown>;
  options: CallOptions | undefined;
  answer(answer: unknown): Promise<void>;
  fail(
    status: number,
    more?: { detail?: string; errors?: { field: string; message: string }[] },
  ): Promise<void>;
}

/** Lets everything that waits for nothing but promises happen. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 12; turn += 1) await Promise.resolve();
}

export class FakeApi implements Api {
  readonly calls: Call[] = [];
  /** Answers at once where it is set. */
  answers: Partial<Record<Endpoint, (body: Record<string, unknown>) => unknown>> = {};

  call<E extends Endpoint>(endpoint: E, body: RequestOf<E>, options?: CallOptions): Promise<AnswerOf<E>> {
    return new Promise((resolve, reject) => {
      const call: Call = {
        endpoint,
        body: body as Record<string, unknown>,
        options,
        answer: (answer) => {
          resolve(answer as AnswerOf<E>);
          return settle();
        },
        fail: (status, { detail = "It failed.", errors = [] } = {}) => {
          reject(new ApiProblem({ status, title: "Problem", detail, errors }));
          return settle();
        },
      };
      this.calls.push(call);
      const ready = this.answers[endpoint];
      if (ready) {
        const answer = ready(call.body);
        if (answer instanceof Error) reject(answer);
        else resolve(answer as AnswerOf<E>);
      }
    });
  }

  of(endpoint: Endpoint): Call[] {
    return this.calls.filter((each) => each.endpoint === endpoint);
  }

  last(endpoint: Endpoint): Call {
    const last = this.of(endpoint).at(-1);
    if (!last) throw new Error(`${endpoint} was not called`);
    return last;
  }
}

export class FakeLive implements Live {
  readonly patients = new Map<string, (heard: Heard<PatientStateDocument>) => void>();
  readonly others = new Map<string, (heard: Heard<PresenceDocument[]>) => void>();

  patientState(patientKey: string, hear: (heard: Heard<PatientStateDocument>) => void) {
    this.patients.set(patientKey, hear);
    return () => void this.patients.delete(patientKey);
  }

  userInbox(_hear: (heard: Heard<UserInboxDocument>) => void) {
    return () => {};
  }

  presence(patientKey: string, hear: (heard: Heard<PresenceDocument[]>) => void) {
    this.others.set(patientKey, hear);
    return () => void this.others.delete(patientKey);
  }
}

export class FakeDrafts implements Drafts {
  readonly kept = new Map<string, unknown>();

  async read(name: string): Promise<unknown> {
    return this.kept.get(name);
  }

  async write(name: string, draft: unknown): Promise<void> {
    if (draft === undefined) this.kept.delete(name);
    else this.kept.set(name, structuredClone(draft));
  }
}

export interface FakeSurroundings extends Surroundings {
  api: FakeApi;
  live: FakeLive;
  drafts: FakeDrafts;
}

export function fakeSurroundings(more: Partial<Surroundings> = {}): FakeSurroundings {
  return {
    sessionId: "session-1",
    site: "ehr.example",
    now: () => NOW,
    ...more,
    api: new FakeApi(),
    live: new FakeLive(),
    drafts: new FakeDrafts(),
  };
}

export function aConfig(
  change: { override?: boolean; showMini?: boolean; userId?: string; name?: string } = {},
): Config {
  const { override = true, showMini = true, userId = "user-1", name = "Dana Whitlow" } = change;
  return {
    ok: true,
    session_id: null,
    surface: "mini",
    user: { user_id: userId, display_name: name, role: "front_desk", tenant_id: "tenant-1" },
    permissions: {
      sidecar: true,
      override,
      dismiss: true,
      history: true,
      notes: false,
      break_glass: false,
      audit: false,
    },
    sites: ["*"],
    applications: ["*"],
    page_adapters: [],
    timers: {
      acknowledgement_due_s: 900,
      presence_s: 120,
      session_idle_s: 1800,
      session_max_s: 43200,
      break_glass_s: 3600,
    },
    texts: {
      proceed: {
        grey: "Not assessed yet",
        green: "Nothing needed, go ahead",
        yellow: "Review before proceeding",
        blue: "Mobius can't tell right now: proceed as you would without it",
      },
      mode: { agentic: "Agentic", copilot: "Copilot", user_driven: "User-driven" },
    },
    dismiss_reasons: [],
    break_glass_reasons: [],
    variant: { display_name: "full", id_masked: true, dob: "full", show_mode: true },
    policy: { show_mini: showMini, ui_variant: "desk", glass_broken_until: null },
    policy_version: 1,
  };
}

type StatusChange = Partial<Omit<Status, "patient" | "proceed" | "tasking" | "policy">> & {
  color?: Status["proceed"]["color"];
  task?: string;
  patient?: Partial<Status["patient"]>;
  showMini?: boolean;
};

export function aStatus({
  color = "yellow",
  task,
  patient,
  showMini = true,
  ...rest
}: StatusChange = {}): Status {
  const { texts } = aConfig();
  const needsAck = rest.needs_ack ?? color === "yellow";
  const text = task ?? (color === "green" ? "No open items" : "Coverage ends Mar 11, 2026 (+1 more)");
  return {
    ok: true,
    session_id: "session-1",
    surface: "mini",
    patient: {
      found: true,
      patient_key: KEY,
      display_name: "Ada Abernale",
      id_label: "MRN",
      id_masked: "····7731",
      dob: "1984-05-17",
      ...patient,
    },
    version: 3,
    proceed: { color, text: texts.proceed[color] ?? "" },
    tasking: { color, text, needs_ack: needsAck, mode: "copilot", mode_text: "Copilot" },
    mode: "copilot",
    has_tasks: color === "yellow",
    task_count: color === "yellow" ? 2 : 0,
    needs_ack: needsAck,
    last_submission: null,
    outcome: null,
    system_response_id: "response-3",
    computed_at: "2026-03-02T14:57:00Z",
    policy: { show_mini: showMini, ui_variant: "desk", glass_broken_until: null },
    ...rest,
  };
}

export const anUnknown = (): Status =>
  aStatus({
    color: "grey",
    version: 0,
    system_response_id: null,
    computed_at: null,
    patient: {
      found: false,
      patient_key: null,
      display_name: null,
      id_label: null,
      id_masked: null,
      dob: null,
    },
  });

type DocumentChange = Partial<Omit<PatientStateDocument, "latest_system_response">> & {
  color?: Status["proceed"]["color"];
  responseId?: string;
  needsAck?: boolean;
  snapshotVersion?: number;
};

export function aDocument(version: number, change: DocumentChange = {}): PatientStateDocument {
  const { color = "green", responseId, needsAck = false, snapshotVersion = 1, ...rest } = change;
  return {
    patient_key: KEY,
    version,
    snapshot: {
      display_name: "Ada Abernale",
      id_label: "MRN",
      id_masked: "····7731",
      dob: null,
      snapshot_version: snapshotVersion,
      updated_at: NOW,
    },
    latest_system_response: {
      system_response_id: responseId ?? `response-${version}`,
      computed_at: NOW - 4000,
      proceed_indicator: color,
      execution_mode: "copilot",
      tasking_summary: color === "green" ? "No open items" : "Coverage ends Mar 11, 2026",
      rationale: [],
      needs_ack: needsAck,
    },
    last_mini_submission: null,
    outcome: null,
    flags: { needs_ack: needsAck, open_assignment_count: 0 },
    updated_at: NOW,
    ...rest,
  };
}

export function aPresence(
  userId: string,
  name: string,
  status: "open" | "closed" = "open",
): PresenceDocument {
  return {
    user_id: userId,
    user_display_name: name,
    application_id: null,
    page_signature: null,
    surface_type: "sidecar",
    patient_key: KEY,
    status,
    last_seen_at: NOW,
    expires_at: NOW + 60_000,
  };
}

export function anAck(change: Partial<AnswerOf<"mini/ack">> = {}): AnswerOf<"mini/ack"> {
  return {
    ok: true,
    session_id: "session-1",
    surface: "mini",
    submission_id: "submission-1",
    submission: {
      note: "Called the patient",
      override_proceed: "yellow",
      override_tasking: null,
      submitted_at: "2026-03-02T15:00:00Z",
      system_response_id: "response-3",
    },
    confirmed: true,
    superseded: false,
    resolved_assignments: [],
    needs_ack: false,
    ...change,
  };
}
