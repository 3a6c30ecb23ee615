// A day at the clinic, made of its list of patients by arithmetic: the same on every machine.
import type { Clinic, HostPatient } from "../clinics";

export type Status = "Completed" | "In room" | "Checked in" | "Arrived" | "Scheduled";

export interface Appointment {
  /** Names the record in the page's address. No record number goes there. */
  place: number;
  /** `08:20` */
  time: string;
  patient: HostPatient;
  visit: string;
  clinician: string;
  status: Status;
  room: string | null;
}

const FIRST_MINUTE = 8 * 60;
const LAST_MINUTE = 16 * 60 + 40;
const LUNCH = { from: 12 * 60, to: 13 * 60 };
const STEP_MINUTES = 20;

const VISITS = [
  "Annual physical",
  "Follow-up",
  "Imaging",
  "New patient",
  "Infusion",
  "Lab review",
  "Physical therapy",
  "Procedure consult",
] as const;
const CLINICIANS = ["Dr. Halloran-Vey", "Dr. Osterlund", "N. Tarrant, NP", "Dr. Achterberg"] as const;
const ROOMS = ["Room 1", "Room 2", "Room 3", "Room 4", "Imaging A"] as const;

/** Today's appointments, the earliest first. */
export function appointmentsOf(clinic: Clinic): Appointment[] {
  return minutes().map((minute, place) => {
    const status = statusAt(place);
    return {
      place,
      time: clock(minute),
      patient: patientAt(clinic, place),
      visit: pick(VISITS, place * 5 + 1),
      clinician: pick(CLINICIANS, place * 3),
      status,
      room: status === "Scheduled" || status === "Arrived" ? null : pick(ROOMS, place * 2),
    };
  });
}

/** Whoever is next: arrived, and not called in yet. */
export function nextOf(appointments: readonly Appointment[]): Appointment | undefined {
  return appointments.find((each) => each.status === "Arrived") ?? appointments[0];
}

function minutes(): number[] {
  const all: number[] = [];
  for (let minute = FIRST_MINUTE; minute <= LAST_MINUTE; minute += STEP_MINUTES) {
    if (minute < LUNCH.from || minute >= LUNCH.to) all.push(minute);
  }
  return all;
}

// Steps that have no factor in common with the list's length: nobody comes twice a day.
function patientAt(clinic: Clinic, place: number): HostPatient {
  const patient = clinic.patients[(place * 17 + 5) % clinic.patients.length];
  if (patient === undefined) throw new Error("A clinic without patients has no day.");
  return patient;
}

function statusAt(place: number): Status {
  if (place < 5) return "Completed";
  if (place < 7) return "In room";
  if (place < 8) return "Checked in";
  return place < 10 ? "Arrived" : "Scheduled";
}

const clock = (minute: number): string =>
  `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;

export function pick<T>(list: readonly [T, ...T[]] | readonly T[], number: number): T {
  // Within the list by the remainder; the lists here are never empty.
  return list[number % list.length] as T;
}
