// Each ledger event as a sentence (shared/ledger/events.py has them all). An event that this version doesn't know
// is told by its name and its plain values: never dropped. Pure.
import type { HistoryEvent } from "../api/types";
import { responseBefore, responseOf } from "./timeline";
import {
  assertedWords,
  capitalized,
  counted,
  dismissReasonWords,
  glassReasonWords,
  inWords,
  proceedWord,
  surfaceWord,
} from "./words";

export interface Words {
  text: string;
  /** What changed, or what else is worth knowing, in one short line. */
  more?: string;
}

type Teller = (event: HistoryEvent, all: readonly HistoryEvent[]) => Words;

export const SYSTEM = "The system";

/** Who did it. */
export const actorName = (event: HistoryEvent): string =>
  event.actor ? event.actor.display_name || "Somebody" : SYSTEM;

export function wordsOf(event: HistoryEvent, all: readonly HistoryEvent[]): Words {
  return (TELLERS.get(event.event_type) ?? unknown)(event, all);
}

const by = (event: HistoryEvent, did: string): string => `${actorName(event)} ${did}`;

/** A number of the payload; 0 when it says none. */
const count = (event: HistoryEvent, name: string): number => Number(event.payload[name] ?? 0) || 0;

function responded(event: HistoryEvent, all: readonly HistoryEvent[]): Words {
  const { payload } = event;
  const now = proceedWord(payload.proceed_indicator);
  const before = responseBefore(all, event);
  const was = before && proceedWord(before.payload.proceed_indicator);
  const tasks = count(event, "task_count");
  const more = [
    tasks === 0 ? "no tasks" : counted(tasks, "task"),
    payload.execution_mode ? inWords(payload.execution_mode) : "",
    payload.needs_ack ? "acknowledgement needed" : "",
  ];
  const text = was && was !== now ? `Proceed went from ${was} to ${now}` : `Proceed ${now}`;
  return { text: was === now ? `${text}, with other reasons` : text, more: more.filter(Boolean).join(" · ") };
}

function acknowledged(event: HistoryEvent, all: readonly HistoryEvent[]): Words {
  const { payload } = event;
  const asserted = assertedWords(payload.override_proceed, payload.override_tasking) || "what was shown";
  const said = responseOf(all, event)?.payload.proceed_indicator;
  const differs = !payload.confirmed && payload.override_proceed && said && said !== payload.override_proceed;
  const more = [
    differs ? `the system said ${proceedWord(said)}` : "",
    payload.superseded ? "answered an earlier response" : "",
  ].filter(Boolean);
  const text = by(event, `acknowledged and ${payload.confirmed ? "confirmed" : "asserted"} ${asserted}`);
  return more.length ? { text, more: more.join(" · ") } : { text };
}

const dismissed: Teller = (event) => ({
  text: by(event, "dismissed the response"),
  more: dismissReasonWords(event.payload.reason),
});

const LOOKS: Record<string, string> = {
  viewed: "viewed the patient in",
  opened: "opened",
  typed: "typed in",
  switched: "switched to another patient in",
  navigated: "left the page in",
  closed: "closed",
};

const interacted: Teller = (event) => ({
  text: by(event, `${LOOKS[String(event.payload.kind)] ?? "was in"} ${surfaceWord(event.payload.surface)}`),
});

const searched: Teller = (event) => ({
  text: by(event, "found the patient in a search"),
  more: counted(count(event, "result_count"), "result"),
});

const glassBroken: Teller = (event) => ({
  text: by(event, "broke the glass to see all of this patient"),
  more: `${glassReasonWords(event.payload.reason)} · for ${Math.round(count(event, "lasts_s") / 60)} min`,
});

const OUTCOMES: Record<string, string> = {
  acknowledged: "Outcome: acknowledged",
  unacknowledged: "Outcome: unacknowledged",
  dismissed: "Outcome: dismissed",
  invalidated: "Outcome: invalidated in one place",
};

const OUTCOME_MEANS: Record<string, string> = {
  unacknowledged: "no acknowledgement had come when it was due",
  invalidated: "somebody left the patient; the response stays open for everybody",
};

function outcomeComputed(event: HistoryEvent): Words {
  const outcome = String(event.payload.outcome);
  const text = OUTCOMES[outcome] ?? `Outcome: ${inWords(outcome)}`;
  const more = OUTCOME_MEANS[outcome];
  return more ? { text, more } : { text };
}

const whose = (event: HistoryEvent): string =>
  event.payload.assigned_to_role ? `the role ${inWords(event.payload.assigned_to_role)}` : "one user";

const item = (event: HistoryEvent): string => `item for ${inWords(event.payload.reason_code)}`;

const created: Teller = (event) => ({ text: `Open ${item(event)} assigned to ${whose(event)}` });
const claimed: Teller = (event) => ({ text: by(event, `claimed the ${item(event)}`) });
const reassigned: Teller = (event) => ({ text: `Open ${item(event)} handed over to ${whose(event)}` });
const resolved: Teller = (event) => ({
  text: `Open ${item(event)} ${event.payload.status === "dismissed" ? "dismissed" : "resolved"}`,
});

function updated(event: HistoryEvent): Words {
  const changed = event.payload.changed_signals;
  if (!Array.isArray(changed) || changed.length === 0) return { text: "The patient's details were updated" };
  return {
    text: `${capitalized(counted(changed.length, "signal"))} changed`,
    more: changed.map(inWords).join(" · "),
  };
}

function erased(event: HistoryEvent): Words {
  const all = event.payload.scope === "all";
  const kinds = all ? ["snapshot", "note", "explanation"] : ["note", "explanation"];
  const counts = kinds.map((kind) => counted(count(event, `${kind}_count`), kind)).join(", ");
  const what = all ? "Everything that tells of the patient" : "What people wrote about the patient";
  return { text: `${what} was erased`, more: `${inWords(event.payload.reason)} · ${counts}` };
}

const raised: Teller = (event) => ({
  text: "The database was restored to an earlier point",
  more: `what happened up to version ${count(event, "lost_version")} was lost; now version ${count(event, "version")}`,
});

const denied: Teller = (event) => ({
  text: by(event, `was refused in ${surfaceWord(event.payload.surface)}`),
  more: inWords(event.payload.reason),
});

const accessChanged: Teller = (event) => ({
  text: "A user's access changed",
  more: `${inWords(event.payload.role)}, ${inWords(event.payload.status)}`,
});

const READINGS: Record<string, string> = {
  export: "exported the ledger",
  who_saw: "asked who had seen the patient",
  story: "read the patient's story",
};

const ledgerRead: Teller = (event) => ({
  text: `An operator ${READINGS[String(event.payload.kind)] ?? "read the ledger"}`,
  more: counted(count(event, "event_count"), "event"),
});

const policyPublished: Teller = (event) => ({
  text: `Policy version ${count(event, "version")} was published`,
});
const exported: Teller = (event) => ({
  text: "An operator copied everything that is kept of the tenant",
  more: `${counted(count(event, "patient_count"), "patient")} · ${counted(count(event, "event_count"), "event")}`,
});
const closed: Teller = () => ({ text: "The tenant was closed" });
const tenantErased: Teller = () => ({ text: "Everything that tells of the tenant was erased" });

/** Ids and digests are for machines; the rest of what an unknown event says is shown as it is. */
function unknown(event: HistoryEvent): Words {
  const plain = Object.entries(event.payload)
    .filter(([name, value]) => value !== null && !/_(id|digest|hash)$/.test(name))
    .map(
      ([name, value]) =>
        `${inWords(name)}: ${Array.isArray(value) ? value.map(inWords).join(", ") : inWords(value)}`,
    );
  const name = capitalized(inWords(event.event_type).toLowerCase());
  const text = event.actor ? `${name} · ${actorName(event)}` : name;
  return plain.length ? { text, more: plain.join(" · ") } : { text };
}

const TELLERS = new Map<string, Teller>(
  Object.entries({
    "System.Response": responded,
    "User.Acknowledged": acknowledged,
    "User.Dismissed": dismissed,
    "User.Interaction": interacted,
    "User.Searched": searched,
    "Glass.Broken": glassBroken,
    "Outcome.Computed": outcomeComputed,
    "Assignment.Created": created,
    "Assignment.Claimed": claimed,
    "Assignment.Reassigned": reassigned,
    "Assignment.Resolved": resolved,
    "Patient.Updated": updated,
    "Patient.Erased": erased,
    "Version.Raised": raised,
    "Access.Denied": denied,
    "Access.Changed": accessChanged,
    "Ledger.Read": ledgerRead,
    "Policy.Published": policyPublished,
    "Tenant.Exported": exported,
    "Tenant.Closed": closed,
    "Tenant.Erased": tenantErased,
  }),
);
