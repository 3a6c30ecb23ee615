// One of the two users whom the demo page shows: an API, a listener and a session of their own.
import { httpApi, type Told } from "../api/client";
import type { PatientStateDocument } from "../live/documents";
import { firestoreLive } from "../live/firestore";
import type { Api, Drafts, Live } from "../ports";
import { type Clinic, type Clinics, fetchToken, type Persona } from "./clinics";
import { sessionDrafts, sessionIdOf } from "./drafts";

export type SideName = "left" | "right";

export interface Side {
  name: SideName;
  persona: Persona;
  clinic: Clinic;
  api: Api;
  live: Live;
  drafts: Drafts;
  sessionId: string;
  end(): void;
}

/** What the strip listens to. */
export interface Witness {
  answered(side: SideName, told: Told): void;
  heard(side: SideName, document: PatientStateDocument, at: number): void;
}

/** Milliseconds since 1970 with fractions, by the clock that the API's client times its calls with. */
export const preciseNow = (): number => performance.timeOrigin + performance.now();

// Firebase wants a name for each app, and forgets an ended one only after a while.
let opened = 0;

export function openSide(name: SideName, userId: string, clinics: Clinics, witness: Witness): Side {
  const clinic = clinics.clinics.find((each) => each.users.some((user) => user.user_id === userId));
  const persona = clinic?.users.find((user) => user.user_id === userId);
  if (clinic === undefined || persona === undefined) throw new Error("The clinics have no such user.");
  let token = persona.token;
  const live = firestoreLive({
    name: `demo-${name}-${++opened}`,
    firebase: { projectId: clinics.project_id },
    ...(clinics.firestore_emulator_host && { emulatorHost: clinics.firestore_emulator_host }),
    identity: { kind: "persona", token },
    tenantId: clinic.tenant_id,
    userId,
  });
  return {
    name,
    persona,
    clinic,
    api: httpApi({
      addresses: { base: location.origin },
      token: async (renew) => {
        if (renew) token = await fetchToken(userId);
        return token;
      },
      onAnswer: (told) => witness.answered(name, told),
    }),
    live: witnessed(live, (document) => witness.heard(name, document, preciseNow())),
    drafts: sessionDrafts(`${name}:${userId}`),
    sessionId: sessionIdOf(`${name}:${userId}`),
    end: () => void live.end(),
  };
}

/**
 * The same listeners; what changes about a patient while they listen is told to `note` first. What was there when
 * they began came at some time that nobody knows.
 */
function witnessed(live: Live, note: (document: PatientStateDocument) => void): Live {
  return {
    patientState: (patientKey, hear) => {
      let began = false;
      return live.patientState(patientKey, (heard) => {
        if (began && heard.document) note(heard.document);
        began ||= heard.document !== undefined;
        hear(heard);
      });
    },
    userInbox: (hear) => live.userInbox(hear),
    presence: (patientKey, hear) => live.presence(patientKey, hear),
  };
}
