import type { Appointment } from "./day";
import { hashOf } from "./routes";
import { StatusBadge } from "./StatusBadge";

export function Schedule({ appointments }: { appointments: readonly Appointment[] }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard, too
    <section class="host-scroll" aria-label="Schedule" tabIndex={0}>
      <div class="host-title">
        <h2>Today’s appointments</h2>
        <p>{appointments.length} patients</p>
      </div>
      <table class="schedule">
        <thead>
          <tr>
            <th scope="col">Time</th>
            <th scope="col">Patient</th>
            <th scope="col" class="col-mrn">
              MRN
            </th>
            <th scope="col" class="col-visit">
              Visit
            </th>
            <th scope="col" class="col-clinician">
              Clinician
            </th>
            <th scope="col" class="col-room">
              Room
            </th>
            <th scope="col">Status</th>
          </tr>
        </thead>
        <tbody>
          {appointments.map((each) => (
            <tr key={each.place}>
              <td class="time">{each.time}</td>
              <td class="col-patient">
                <a
                  class="patient-link"
                  href={hashOf({ page: "record", place: each.place })}
                  title={each.patient.display_name}
                >
                  {each.patient.display_name}
                </a>
              </td>
              <td class="col-mrn">{each.patient.external_id}</td>
              <td class="col-visit">{each.visit}</td>
              <td class="col-clinician">{each.clinician}</td>
              <td class="col-room">{each.room ?? "–"}</td>
              <td>
                <StatusBadge status={each.status} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
