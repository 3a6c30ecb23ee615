// The synthetic clinics of the local stack, as ops/demo_page.py tells of them.
import { useEffect, useState } from "preact/hooks";

/** A user of a clinic, with the unsigned token that the local stack takes. */
export interface Persona {
  user_id: string;
  role: string;
  display_name: string;
  token: string;
}

/** What the clinic's own application knows of a patient, as any host application does. */
export interface HostPatient {
  source_system: string;
  external_id: string;
  display_name: string;
  dob: string;
}

export interface Clinic {
  tenant_id: string;
  name: string;
  users: Persona[];
  patients: HostPatient[];
}

export interface Clinics {
  project_id: string;
  firestore_emulator_host: string | null;
  clinics: Clinic[];
}

const ADDRESS = "/demo/clinics.json";
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4_000;

/** Rejects when the stack doesn't answer. */
export async function fetchClinics(signal?: AbortSignal): Promise<Clinics> {
  const answer = await fetch(ADDRESS, { cache: "no-store", ...(signal && { signal }) });
  if (!answer.ok) throw new Error(`${ADDRESS} answered ${answer.status}.`);
  return (await answer.json()) as Clinics;
}

/** The token of a user as the stack hands it out now: an old one ends after half a day. */
export async function fetchToken(userId: string): Promise<string> {
  const { clinics } = await fetchClinics();
  const user = clinics.flatMap((clinic) => clinic.users).find((each) => each.user_id === userId);
  if (user === undefined) throw new Error("The clinics have no such user any more.");
  return user.token;
}

/** The clinics as soon as the stack answers; `tries`: how often it didn't. */
export function useClinics(): { clinics: Clinics | null; tries: number } {
  const [clinics, setClinics] = useState<Clinics | null>(null);
  const [tries, setTries] = useState(0);
  useEffect(() => {
    if (clinics !== null) return;
    const going = new AbortController();
    const pause = tries === 0 ? 0 : Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (tries - 1));
    const waiting = setTimeout(() => {
      fetchClinics(going.signal).then(setClinics, () => {
        if (!going.signal.aborted) setTries(tries + 1);
      });
    }, pause);
    return () => {
      clearTimeout(waiting);
      going.abort();
    };
  }, [clinics, tries]);
  return { clinics, tries };
}
