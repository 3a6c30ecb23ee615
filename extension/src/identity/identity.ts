// Who is signed in, whichever way they did.
import { ApiProblem } from "../api/problem";

export interface SignedIn {
  kind: "persona" | "firebase";
  userId: string;
  tenantId: string;
}

export interface Identity {
  /** null: nobody. */
  who(): Promise<SignedIn | null>;
  /** A token that holds; `renew`: also when the last one still seems to. Rejects with ApiProblem. */
  token(renew?: boolean): Promise<string>;
  signOut(): Promise<void>;
}

export const notSignedIn = (): ApiProblem =>
  new ApiProblem({ status: 401, title: "Not signed in", detail: "Sign in to Mobius.", errors: [] });

/** The first of these that somebody is signed in with. */
export function firstOf(...identities: Identity[]): Identity {
  const current = async () => {
    for (const identity of identities) {
      if (await identity.who()) return identity;
    }
    return null;
  };
  return {
    who: async () => (await current())?.who() ?? null,
    async token(renew) {
      const identity = await current();
      if (!identity) throw notSignedIn();
      return identity.token(renew);
    },
    async signOut() {
      for (const identity of identities) await identity.signOut();
    },
  };
}
