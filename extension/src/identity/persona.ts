// The synthetic users of a developer's machine: whoever is chosen is signed in.
import { isRecord, noAnswer } from "../api/failures";
import { ApiProblem } from "../api/problem";
import { readClaims } from "./claims";
import { type Identity, isSameUser, notSignedIn, type SignedIn, SomebodyElse } from "./identity";

export interface Persona {
  userId: string;
  tenantId: string;
  clinic: string;
  displayName: string;
  role: string;
  token: string;
}

/** Where the choice is kept. */
export interface PersonaStore {
  read(): Promise<Persona | null>;
  write(persona: Persona | null): Promise<void>;
}

/** A token is fetched anew so long before it ends. */
const EARLY_MS = 5 * 60_000;

/** Everybody whom the local stack lists, clinic by clinic. Rejects with ApiProblem. */
export async function fetchPersonas(url: string): Promise<Persona[]> {
  let told: unknown;
  try {
    const response = await fetch(url, { cache: "no-store", credentials: "omit" });
    told = await response.json();
  } catch {
    throw new ApiProblem(noAnswer());
  }
  return readPersonas(told);
}

/** What can't be read is left out. */
export function readPersonas(told: unknown): Persona[] {
  return records(told, "clinics").flatMap((clinic) =>
    records(clinic, "users").flatMap((user) => personaOf(clinic, user) ?? []),
  );
}

function personaOf(clinic: Record<string, unknown>, user: Record<string, unknown>): Persona | null {
  const { user_id: userId, display_name: displayName, role, token } = user;
  const { tenant_id: tenantId, name } = clinic;
  const texts = [userId, displayName, role, token, tenantId, name];
  if (!texts.every((each) => typeof each === "string")) return null;
  return { userId, tenantId, clinic: name, displayName, role, token } as Persona;
}

const records = (told: unknown, name: string): Record<string, unknown>[] => {
  const list = isRecord(told) ? told[name] : undefined;
  return Array.isArray(list) ? list.filter(isRecord) : [];
};

const signedInAs = ({ userId, tenantId }: Persona): SignedIn => ({ kind: "persona", userId, tenantId });

export function personaIdentity(store: PersonaStore, list: () => Promise<Persona[]>): Identity {
  const personaOf = async (whose: SignedIn): Promise<Persona> => {
    const persona = await store.read();
    if (!persona || !isSameUser(signedInAs(persona), whose)) throw new SomebodyElse();
    return persona;
  };
  return {
    async who() {
      const persona = await store.read();
      return persona && signedInAs(persona);
    },
    async token(whose, renew = false) {
      const persona = await personaOf(whose);
      const endsAt = readClaims(persona.token)?.expiresAt ?? 0;
      if (!renew && endsAt - EARLY_MS > Date.now()) return persona.token;
      const anew = (await list()).find((each) => isSameUser(signedInAs(each), whose));
      // Whoever signed in while the list came stays signed in.
      await personaOf(whose);
      if (!anew) throw notSignedIn();
      await store.write(anew);
      return anew.token;
    },
    signOut: () => store.write(null),
  };
}
