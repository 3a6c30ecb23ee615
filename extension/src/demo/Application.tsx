// The clinic's own application without Mobius: what the installed extension is tried on (`/?application`).
import { useMemo } from "preact/hooks";
import { ClinicApp } from "./clinic/ClinicApp";
import { useClinics } from "./clinics";
import { Waiting } from "./Waiting";

export function Application() {
  const { clinics, tries } = useClinics();
  const today = useMemo(() => new Date(), []);
  const clinic = clinics?.clinics[0];
  return (
    <main class="alone">
      {clinic ? <ClinicApp clinic={clinic} today={today} /> : <Waiting tries={tries} />}
    </main>
  );
}
