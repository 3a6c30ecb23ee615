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
  /**
   * A token of `whose` that holds; `renew`: also when the last one still seems to. Rejects with SomebodyElse when it
   * is not they who are signed in now, else with ApiProblem.
   */
  token(whose: SignedIn, renew?: boolean): Promise<string>;
  signOut(): Promise<void>;
}

/** Whoever something is done for isn't signed in any more: it is not done for the next. */
export class SomebodyElse extends Error {}

export const isSameUser = (one: SignedIn | null, other: SignedIn | null): boolean =>
  one?.userId === other?.userId && one?.tenantId === other?.tenantId && one?.kind === other?.kind;

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
    async token(whose, renew) {
      const identity = await current();
      if (!identity) throw new SomebodyElse();
      return identity.token(whose, renew);
    },
    async signOut() {
      for (const identity of identities) await identity.signOut();
    },
  };
}
