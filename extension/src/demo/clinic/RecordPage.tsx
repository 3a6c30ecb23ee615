// A patient's record page. `data-patient-id` is what Mini's page adapter reads.
import { useMemo } from "preact/hooks";
import type { Appointment } from "./day";
import { recordOf } from "./record";
import { hashOf } from "./routes";
import { StatusBadge } from "./StatusBadge";

interface RecordProps {
  appointment: Appointment;
  appointments: readonly Appointment[];
  today: Date;
}

const DATE = new Intl.DateTimeFormat("en-US", { dateStyle: "medium" });

export function RecordPage({ appointment, appointments, today }: RecordProps) {
  const { patient, place } = appointment;
  const record = useMemo(() => recordOf(patient, today), [patient, today]);
  const at = appointments.indexOf(appointment);
  return (
    <article class="record" aria-label="Patient" data-patient-id={patient.external_id}>
      <header class="record-head">
        <div>
          <h2 dir="auto">{patient.display_name}</h2>
          <p>
            MRN {patient.external_id} · born {DATE.format(record.born)} · {record.age} years
          </p>
        </div>
        <nav class="record-steps" aria-label="Records of today">
          <Step to={appointments[at - 1]} label="Previous patient" sign="‹" />
          <Step to={appointments[at + 1]} label="Next patient" sign="›" />
        </nav>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls is reached by the keyboard, too */}
      <section class="host-scroll record-body" aria-label="Record" tabIndex={0}>
        <section class="record-now" aria-label="This appointment">
          <strong>{appointment.time}</strong>
          <span>{appointment.visit}</span>
          <span>{appointment.clinician}</span>
          {appointment.room && <span>{appointment.room}</span>}
          <StatusBadge status={appointment.status} />
        </section>
        <section aria-labelledby={`details-${place}`}>
          <h3 id={`details-${place}`}>Details</h3>
          <dl class="details">
            <Detail name="Phone" value={record.phone} />
            <Detail name="Address" value={record.address} />
            <Detail name="Language" value={record.language} />
            <Detail name="Plan on file" value={record.plan} />
            <Detail name="Clinician" value={record.clinician} />
          </dl>
        </section>
        <section aria-labelledby={`visits-${place}`}>
          <h3 id={`visits-${place}`}>Visits</h3>
          <table class="visits">
            <tbody>
              {record.visits.map((visit) => (
                <tr key={visit.day.getTime()}>
                  <td class="time">{DATE.format(visit.day)}</td>
                  <td>{visit.what}</td>
                  <td>{visit.clinician}</td>
                  <td>{visit.result}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
        <section aria-labelledby={`notes-${place}`}>
          <h3 id={`notes-${place}`}>Front desk notes</h3>
          <ul class="notes">
            {record.notes.map((note) => (
              <li key={note.day.getTime()}>
                <p>{note.text}</p>
                <small>
                  {note.who}, {DATE.format(note.day)}
                </small>
              </li>
            ))}
          </ul>
        </section>
      </section>
    </article>
  );
}

function Detail({ name, value }: { name: string; value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Step({ to, label, sign }: { to: Appointment | undefined; label: string; sign: string }) {
  if (to === undefined) {
    return (
      <span class="step" aria-hidden="true">
        {sign}
      </span>
    );
  }
  return (
    <a class="step" href={hashOf({ page: "record", place: to.place })} aria-label={label} title={label}>
      {sign}
    </a>
  );
}
