// The day's list beside a record, where there is room for it.
import { useEffect, useRef } from "preact/hooks";
import type { Appointment } from "./day";
import { hashOf } from "./routes";

const BEFORE = 4;

interface TodayProps {
  appointments: readonly Appointment[];
  shown: Appointment;
}

export function Today({ appointments, shown }: TodayProps) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    const items = [...(list.current?.children ?? [])] as HTMLElement[];
    const at = appointments.indexOf(shown);
    // A few of those before stay in sight. scrollIntoView would move the whole page along.
    list.current?.scrollTo({ top: items[Math.max(0, at - BEFORE)]?.offsetTop ?? 0 });
  }, [appointments, shown]);
  return (
    <nav class="today" aria-label="Today">
      <h2>Today</h2>
      <ol ref={list}>
        {appointments.map((each) => (
          <li key={each.place}>
            <a
              href={hashOf({ page: "record", place: each.place })}
              aria-current={each.place === shown.place ? "page" : undefined}
            >
              <span class="time">{each.time}</span>
              <span class="name" title={each.patient.display_name}>
                {each.patient.display_name}
              </span>
              <span class="what">{each.visit}</span>
            </a>
          </li>
        ))}
      </ol>
    </nav>
  );
}
