// The timeline as a list: how pages of it fit together, and what can be shown of it. Pure.
import type { HistoryEvent } from "../api/types";

export const KINDS = {
  responses: "Responses",
  acknowledgements: "Acknowledgements",
  outcomes: "Outcomes",
  assignments: "Assignments",
  looks: "Looks",
  changes: "Changes",
} as const;

export type Kind = keyof typeof KINDS;

const KIND_OF: Record<string, Kind> = {
  "System.Response": "responses",
  "User.Acknowledged": "acknowledgements",
  "User.Dismissed": "outcomes",
  "Outcome.Computed": "outcomes",
  "Assignment.Created": "assignments",
  "Assignment.Claimed": "assignments",
  "Assignment.Reassigned": "assignments",
  "Assignment.Resolved": "assignments",
  "User.Interaction": "looks",
  "User.Searched": "looks",
  "Glass.Broken": "looks",
  "Ledger.Read": "looks",
  "Access.Denied": "looks",
};

/** What sort of event it is; what is not known here counts as a change, so that it is shown. */
export const kindOf = (event: HistoryEvent): Kind => KIND_OF[event.event_type] ?? "changes";

/** The same for the same event: the API gives an event no id, but nothing else is like it. */
export function identityOf(event: HistoryEvent): string {
  const payload = Object.entries(event.payload).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([
    event.created_at,
    event.event_type,
    event.actor?.user_id,
    event.correlation_id,
    payload,
  ]);
}

/**
 * What is known of a timeline, newest first, once its newest events were told anew: `known` goes on where `newest`
 * ends. null when there is a gap between them, for nobody knows how much lies in it.
 */
export function joined(
  newest: readonly HistoryEvent[],
  known: readonly HistoryEvent[],
): readonly HistoryEvent[] | null {
  if (known.length === 0) return newest;
  const names = newest.map(identityOf);
  const old = known.map(identityOf);
  for (let start = 0; start < names.length; start++) {
    const overlap = Math.min(names.length - start, old.length);
    if (names.slice(start, start + overlap).every((name, place) => name === old[place])) {
      return [...newest, ...known.slice(overlap)];
    }
  }
  return null;
}

/** An event with how often it was told in a row: ten looks of one person are one line. */
export interface Told {
  event: HistoryEvent;
  times: number;
  /** It follows from the line above it. */
  follows: boolean;
}

/** The events of `kind` as lines: what was done newest first, and below each deed what followed from it. */
export function told(events: readonly HistoryEvent[], kind: Kind | null): Told[] {
  const deeds: HistoryEvent[][] = [];
  for (const event of events) {
    if (kind !== null && kindOf(event) !== kind) continue;
    const deed = deeds.at(-1);
    // The ledger has a deed before what follows from it, and here the newest comes first.
    if (deed?.[0] && isSameDeed(deed[0], event)) deed.unshift(event);
    else deeds.push([event]);
  }
  const lines: Told[] = [];
  for (const deed of deeds) {
    deed.forEach((event, place) => {
      const last = lines.at(-1);
      if (last && isSameLook(last.event, event)) last.times += 1;
      else lines.push({ event, times: 1, follows: place > 0 });
    });
  }
  return lines;
}

function isSameLook(one: HistoryEvent, other: HistoryEvent): boolean {
  return (
    one.event_type === "User.Interaction" &&
    other.event_type === one.event_type &&
    one.actor?.user_id === other.actor?.user_id &&
    one.payload.kind === other.payload.kind &&
    one.payload.surface === other.payload.surface
  );
}

function isSameDeed(one: HistoryEvent, other: HistoryEvent): boolean {
  return (
    one.correlation_id !== null &&
    one.correlation_id === other.correlation_id &&
    one.actor?.user_id === other.actor?.user_id
  );
}

/** The system response that came before this one, as far back as is known. */
export function responseBefore(events: readonly HistoryEvent[], event: HistoryEvent): HistoryEvent | null {
  const place = events.indexOf(event);
  return events.slice(place + 1).find((each) => each.event_type === "System.Response") ?? null;
}

/** The system response that this event is about, as far back as is known. */
export function responseOf(events: readonly HistoryEvent[], event: HistoryEvent): HistoryEvent | null {
  const id = event.payload.system_response_id;
  const isIt = (each: HistoryEvent) =>
    each.event_type === "System.Response" && each.payload.system_response_id === id;
  return id ? (events.find(isIt) ?? null) : null;
}
