// Sidecar's surroundings for tests: calls wait until the test answers them, documents come when it pushes them.
import { ApiProblem } from "../src/api/problem";
import type { Assignment, Config, Endpoint, HistoryEvent, SidecarState } from "../src/api/types";
import type { PatientStateDocument, PresenceDocument, UserInboxDocument } from "../src/live/documents";
import type { Api, Heard, Live, Liveness, Surroundings } from "../src/ports";

export const KEY = "p1AAAAAAAAAAAA";
export const OTHER = "p1BBBBBBBBBBBB";
export const ME = "00000000-0000-4000-8000-000000000001";

export function config(
  change: Partial<Config> = {},
  permissions: Partial<Config["permissions"]> = {},
): Config {
  return {
    ok: true,
    session_id: "s",
    surface: "sidecar",
    user: { user_id: ME, display_name: "Imre Castellane", role: "financial_counselor", tenant_id: "t" },
    permissions: {
      sidecar: true,
      override: true,
      dismiss: true,
      history: true,
      notes: true,
      break_glass: true,
      audit: true,
      ...permissions,
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
      proceed: { grey: "Not assessed yet", green: "Go ahead", yellow: "Review", blue: "Can't tell" },
      mode: { agentic: "Agentic", copilot: "Copilot", user_driven: "User-driven" },
    },
    dismiss_reasons: ["not_applicable", "not_now"],
    break_glass_reasons: ["emergency", "other"],
    variant: { display_name: "full", id_masked: true, dob: "full", show_mode: true },
    policy: { show_mini: true, ui_variant: "desk", glass_broken_until: null },
    policy_version: 1,
    ...change,
  };
}

export interface StateParts {
  version?: number;
  proceed?: "grey" | "green" | "yellow" | "blue";
  name?: string | null;
  found?: boolean;
  history?: HistoryEvent[];
  glassUntil?: string | null;
  openCount?: number;
}

export function state(patientKey: string, parts: StateParts = {}): SidecarState {
  const { version = 1, proceed = "yellow", name = "Ada Abernale", found = true } = parts;
  return {
    ok: true,
    session_id: "s",
    surface: "sidecar",
    patient_state: {
      found,
      patient_key: patientKey,
      version: found ? version : 0,
      snapshot: found
        ? {
            snapshot_version: 1,
            display_name: name,
            id_label: "MRN",
            id_masked: "····7731",
            dob: "1984",
            updated_at: "2026-11-24T01:00:00Z",
          }
        : null,
      system_response: found
        ? {
            system_response_id: `response-${version}`,
            surface_type: "mini",
            computed_at: "2026-11-24T01:00:00Z",
            proceed_indicator: proceed,
            execution_mode: "copilot",
            tasking_summary: `Tasks of version ${version}`,
            task_count: 1,
            rationale: [
              reason("appointment.upcoming", "Appointment tomorrow", false),
              reason("coverage.expiring", "Coverage ends", true),
            ],
            needs_ack: true,
            policy_version: 1,
            facts_digest: "f",
          }
        : null,
      last_submission: null,
      outcome: null,
      flags: { needs_ack: found, open_assignment_count: 0 },
    },
    history: parts.history ?? [],
    inbox_preview: { open_count: parts.openCount ?? 0, assignments: [] },
    policy: { show_mini: true, ui_variant: "desk", glass_broken_until: parts.glassUntil ?? null },
    source: "postgres",
  };
}

const reason = (signal: string, text: string, decided: boolean) => ({
  signal,
  text,
  detail: {},
  source_system: "payer_portal",
  observed_at: "2026-11-24T00:00:00Z",
  decided,
});

export function document(
  patientKey: string,
  version: number,
  proceed: "green" | "yellow",
): PatientStateDocument {
  return {
    patient_key: patientKey,
    version,
    snapshot: {
      display_name: null,
      id_label: null,
      id_masked: null,
      dob: null,
      snapshot_version: 1,
      updated_at: 0,
    },
    latest_system_response: {
      system_response_id: `response-${version}`,
      computed_at: Date.parse("2026-11-24T01:00:00Z"),
      proceed_indicator: proceed,
      execution_mode: "copilot",
      tasking_summary: `Tasks of version ${version}`,
      rationale: [],
      needs_ack: false,
    },
    last_mini_submission: null,
    outcome: null,
    flags: { needs_ack: false, open_assignment_count: 0 },
    updated_at: 0,
  };
}

export function event(
  number: number,
  type = "System.Response",
  payload: HistoryEvent["payload"] = {},
  change: Partial<HistoryEvent> = {},
): HistoryEvent {
  return {
    event_type: type,
    created_at: new Date(Date.UTC(2026, 10, 24) + number * 1000).toISOString(),
    actor: null,
    payload: { number, ...payload },
    note: null,
    correlation_id: `c${number}`,
    ...change,
  };
}

export function item(number: number, change: Partial<Assignment> = {}): Assignment {
  return {
    assignment_id: `a${number}`,
    patient_key: KEY,
    system_response_id: "r",
    reason_code: "coverage",
    created_at: "2026-11-24T00:00:00Z",
    status: "open",
    assigned_to_user: null,
    assigned_to_role: "financial_counselor",
    claimed_by: null,
    ...change,
  };
}

export const inboxAnswer = (items: Assignment[], openCount = items.length, cursor: string | null = null) => ({
  ok: true,
  session_id: "s",
  surface: "sidecar",
  assignments: items,
  open_count: openCount,
  has_more: cursor !== null,
  next_cursor: cursor,
});

export const problem = (status: number, title = "x", detail = `Problem ${status}.`) =>
  new ApiProblem({ status, title, detail, errors: [] });

export interface Call {
  endpoint: Endpoint;
  body: Record<string, unknown>;
  answer(with_: unknown): Promise<void>;
  refuse(error: unknown): Promise<void>;
  isOpen: boolean;
}

/** Lets everything that waits for an answer go on. */
export const settle = async () => {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
};

export class Fake {
  readonly calls: Call[] = [];
  readonly shown: (string | null)[] = [];
  readonly hearers = {
    state: new Map<string, (heard: Heard<PatientStateDocument>) => void>(),
    inbox: new Set<(heard: Heard<UserInboxDocument>) => void>(),
    presence: new Map<string, (heard: Heard<PresenceDocument[]>) => void>(),
  };
  readonly surroundings: Surroundings;

  constructor() {
    const api = { call: (endpoint: Endpoint, body: unknown) => this.#call(endpoint, body) } as unknown as Api;
    const { state: states, inbox, presence } = this.hearers;
    const live: Live = {
      patientState(key, hear) {
        states.set(key, hear);
        return () => states.delete(key);
      },
      userInbox(hear) {
        inbox.add(hear);
        return () => inbox.delete(hear);
      },
      presence(key, hear) {
        presence.set(key, hear);
        return () => presence.delete(key);
      },
    };
    const drafts = new Map<string, unknown>();
    this.surroundings = {
      api,
      live,
      drafts: {
        read: async (name) => drafts.get(name),
        write: async (name, draft) => void drafts.set(name, draft),
      },
      sessionId: "s",
      now: () => Date.now(),
      signIn: () => undefined,
      shows: (key) => void this.shown.push(key),
    };
  }

  #call(endpoint: Endpoint, body: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const call: Call = {
        endpoint,
        body: body as Record<string, unknown>,
        isOpen: true,
        async answer(told) {
          call.isOpen = false;
          resolve(told);
          await settle();
        },
        async refuse(error) {
          call.isOpen = false;
          reject(error);
          await settle();
        },
      };
      this.calls.push(call);
    });
  }

  /** The calls of one endpoint, in order. */
  of(endpoint: Endpoint): Call[] {
    return this.calls.filter((call) => call.endpoint === endpoint);
  }

  /** The oldest call of an endpoint that was not answered yet. */
  next(endpoint: Endpoint): Call {
    const call = this.calls.find((each) => each.endpoint === endpoint && each.isOpen);
    if (!call) throw new Error(`nobody called ${endpoint}`);
    return call;
  }

  push(key: string, said: PatientStateDocument | null | undefined, liveness: Liveness = "live"): void {
    this.hearers.state.get(key)?.({ liveness, document: said });
  }

  pushInbox(
    said: Pick<UserInboxDocument, "open_count" | "open_assignments">,
    liveness: Liveness = "live",
  ): void {
    for (const hear of this.hearers.inbox)
      hear({ liveness, document: { active: true, updated_at: 0, ...said } });
  }
}
