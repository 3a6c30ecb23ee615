// What the clinic's own application holds of a patient, made by arithmetic. Nobody here exists.
import type { HostPatient } from "../clinics";
import { pick } from "./day";

export interface Visit {
  day: Date;
  what: string;
  clinician: string;
  result: string;
}

export interface PatientRecord {
  age: number;
  born: Date;
  phone: string;
  address: string;
  language: string;
  plan: string;
  clinician: string;
  visits: Visit[];
  notes: { day: Date; who: string; text: string }[];
}

const STREETS = ["Alder Row", "Mill Lane", "Quarry Street", "Orchard Way", "Tanner’s Close", "Station Road"];
const TOWNS = ["Larkfield", "Harbour Street", "Ashdown", "Merrow", "Fennbridge"];
const LANGUAGES = ["English", "English", "Spanish", "English, Polish", "Arabic", "English, French"];
const PLANS = ["Northgate Choice PPO", "Meridian Select HMO", "Unity Public Plan", "Fairhaven Bronze"];
const CLINICIANS = ["Dr. Halloran-Vey", "Dr. Osterlund", "N. Tarrant, NP", "Dr. Achterberg"];
const VISITS = [
  "Follow-up",
  "Lab review",
  "Annual physical",
  "Telephone visit",
  "Imaging",
  "Procedure consult",
];
const RESULTS = ["Completed", "Completed", "Referred", "Completed", "Moved by patient"];
const NOTES = [
  "Prefers mornings. Asks to be called on the mobile number.",
  "Brings a relative to visits; consent is on file.",
  "Asked for a copy of the last letter. Sent by post.",
  "Needs step-free access.",
  "Moved the last visit by a week because of work.",
];
const STAFF = ["T. Marchetti", "L. Oyelaran", "B. Sandahl"];
const DAY_MS = 24 * 3600 * 1000;

export function recordOf(patient: HostPatient, today: Date): PatientRecord {
  const seed = Number(patient.external_id);
  const born = new Date(`${patient.dob}T00:00:00`);
  const daysAgo = (days: number) => new Date(today.getTime() - days * DAY_MS);
  return {
    born,
    age: ageOn(today, born),
    phone: `555-01${String(seed % 100).padStart(2, "0")}`,
    address: `${1 + (seed % 180)} ${pick(STREETS, seed)}, ${pick(TOWNS, seed + 2)}`,
    language: pick(LANGUAGES, seed),
    plan: pick(PLANS, seed + 1),
    clinician: pick(CLINICIANS, seed),
    visits: [0, 1, 2, 3].map((each) => ({
      day: daysAgo(21 + (seed % 30) + each * (70 + (seed % 23))),
      what: pick(VISITS, seed + each * 5),
      clinician: pick(CLINICIANS, seed + each),
      result: pick(RESULTS, seed + each * 2),
    })),
    notes: [0, 1].map((each) => ({
      day: daysAgo(16 + (seed % 25) + each * 95),
      who: pick(STAFF, seed + each),
      text: pick(NOTES, seed + each * 2),
    })),
  };
}

function ageOn(today: Date, born: Date): number {
  const hadBirthday =
    today.getMonth() > born.getMonth() ||
    (today.getMonth() === born.getMonth() && today.getDate() >= born.getDate());
  return today.getFullYear() - born.getFullYear() - (hadBirthday ? 0 : 1);
}
