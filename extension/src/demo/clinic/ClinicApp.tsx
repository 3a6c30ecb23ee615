// The application that Mobius sits beside: somebody else's, as far as Mini knows. It shows a schedule and records,
// and says in an attribute of the record who is on it, as the policy's page adapter expects.
import { useEffect, useMemo } from "preact/hooks";
import type { Clinic } from "../clinics";
import { appointmentsOf, nextOf } from "./day";
import { RecordPage } from "./RecordPage";
import { hashOf, useRoute } from "./routes";
import { Schedule } from "./Schedule";
import { Today } from "./Today";

const DAY = new Intl.DateTimeFormat("en-US", { weekday: "long", month: "long", day: "numeric" });

export function ClinicApp({ clinic, today }: { clinic: Clinic; today: Date }) {
  const appointments = useMemo(() => appointmentsOf(clinic), [clinic]);
  const route = useRoute();
  const next = nextOf(appointments);
  useEffect(() => {
    // Whoever comes without an address begins where the day is: at the patient who is next.
    if (route === null && next) history.replaceState(null, "", hashOf({ page: "record", place: next.place }));
  }, [route, next]);
  const shown =
    route?.page === "schedule"
      ? undefined
      : appointments.find((each) => each.place === (route?.place ?? next?.place));
  return (
    <div class="host-app">
      <header class="host-bar">
        <span class="host-mark" aria-hidden="true">
          {clinic.name.charAt(0)}
        </span>
        <strong class="host-name">{clinic.name}</strong>
        <nav class="host-nav" aria-label={clinic.name}>
          <a href={hashOf({ page: "schedule" })} aria-current={shown ? undefined : "page"}>
            Schedule
          </a>
          {next && (
            <a
              href={hashOf({ page: "record", place: (shown ?? next).place })}
              aria-current={shown ? "page" : undefined}
            >
              Record
            </a>
          )}
        </nav>
        <time class="host-day">{DAY.format(today)}</time>
      </header>
      {shown ? (
        <div class="host-body with-today">
          <Today appointments={appointments} shown={shown} />
          <RecordPage key={shown.place} appointment={shown} appointments={appointments} today={today} />
        </div>
      ) : (
        <div class="host-body">
          <Schedule appointments={appointments} />
        </div>
      )}
    </div>
  );
}
