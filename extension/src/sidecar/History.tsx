import { useState } from "preact/hooks";
import type { ProceedIndicator } from "../api/types";
import { Indicator } from "../look/Indicator";
import { absoluteTime } from "../look/times";
import { When } from "../look/When";
import { wordsOf } from "./event_words";
import type { Patient } from "./patient";
import { Section } from "./Section";
import { useStore } from "./store";
import { KINDS, type Kind, kindOf, type Told, told } from "./timeline";

/** What happened with this patient, the newest first, out of the ledger. */
export function History({ patient, now }: { patient: Patient; now: number }) {
  const { history, hasOlder, isLoadingOlder, olderProblem } = useStore(patient.store);
  const [kind, setKind] = useState<Kind | null>(null);
  const lines = told(history, kind);
  const oldest = history.at(-1);
  const filter = (
    <select
      class="filter"
      aria-label="Show"
      value={kind ?? ""}
      onChange={(event) => setKind((event.currentTarget.value || null) as Kind | null)}
    >
      <option value="">Everything</option>
      {Object.entries(KINDS).map(([value, words]) => (
        <option key={value} value={value}>
          {words}
        </option>
      ))}
    </select>
  );
  return (
    <Section place="history" title="History" aside={history.length > 0 && filter}>
      {history.length === 0 && <p class="quiet">Nothing has happened yet.</p>}
      <ol class="timeline">
        {lines.map((line) => (
          <Line key={keyOf(line)} line={line} patient={patient} now={now} />
        ))}
      </ol>
      {history.length > 0 && lines.length === 0 && (
        <p class="quiet">
          None among the newest {history.length} events
          {oldest && hasOlder && ` since ${absoluteTime(Date.parse(oldest.created_at))}`}.
        </p>
      )}
      {olderProblem && (
        <p class="problem" role="alert">
          {olderProblem.message}
        </p>
      )}
      {hasOlder && (
        <button
          type="button"
          class="plain more"
          aria-disabled={isLoadingOlder}
          onClick={() => void patient.loadOlder()}
        >
          {isLoadingOlder ? "Loading…" : "Show older"}
        </button>
      )}
    </Section>
  );
}

const keyOf = ({ event }: Told): string =>
  `${event.created_at} ${event.event_type} ${event.correlation_id} ${event.payload.assignment_id ?? ""}`;

function Line({
  line: { event, times, follows },
  patient,
  now,
}: {
  line: Told;
  patient: Patient;
  now: number;
}) {
  const { text, more } = wordsOf(event, patient.store.get().history);
  const kind = kindOf(event);
  return (
    <li class={`event is-kind-${kind}${follows ? " follows" : ""}`}>
      <span class="event-mark" aria-hidden="true">
        {event.event_type === "System.Response" && (
          <Indicator proceed={indicatorOf(event.payload.proceed_indicator)} size={12} />
        )}
      </span>
      <div>
        <p class="event-line">
          <span dir="auto">
            {text}
            {times > 1 && <span class="quiet"> ×{times}</span>}
          </span>
          {!follows && (
            <span class="quiet small">
              <When at={Date.parse(event.created_at)} now={now} />
            </span>
          )}
        </p>
        {more && <p class="quiet small">{more}</p>}
        {event.note !== null && (
          <blockquote class="note" dir="auto">
            {event.note}
          </blockquote>
        )}
      </div>
    </li>
  );
}

function indicatorOf(value: unknown): ProceedIndicator {
  return value === "green" || value === "yellow" || value === "blue" ? value : "grey";
}
