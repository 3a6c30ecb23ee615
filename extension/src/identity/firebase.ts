// Firebase Authentication. It keeps its own tokens, in the extension's IndexedDB, and renews them in time.
import { type FirebaseApp, initializeApp } from "firebase/app";
import {
  type Auth,
  connectAuthEmulator,
  indexedDBLocalPersistence,
  initializeAuth,
  type User,
} from "firebase/auth/web-extension";
import { noAnswer } from "../api/failures";
import { ApiProblem } from "../api/problem";
import type { FirebaseOptions } from "../live/firestore";
import { readClaims } from "./claims";
import { type Identity, notSignedIn, SomebodyElse } from "./identity";

/** Ready: whoever signed in before is signed in again. */
export async function openAuth(options: FirebaseOptions, emulator?: string): Promise<Auth> {
  // The name is part of the key under which the sign-in is kept: all pages of the extension share it.
  const app: FirebaseApp = initializeApp(options);
  const auth = initializeAuth(app, { persistence: indexedDBLocalPersistence });
  if (emulator) connectAuthEmulator(auth, `http://${emulator}`, { disableWarnings: true });
  await auth.authStateReady();
  return auth;
}

/** `open` is asked each time: a page of the extension may have signed somebody in meanwhile. */
export function firebaseIdentity(open: () => Promise<Auth>): Identity {
  return {
    async who() {
      const user = (await open()).currentUser;
      if (!user) return null;
      const tenantId = readClaims(lastToken(user))?.tenantId ?? null;
      return tenantId === null ? null : { kind: "firebase", userId: user.uid, tenantId };
    },
    async token(whose, renew = false) {
      const user = (await open()).currentUser;
      if (user?.uid !== whose.userId) throw new SomebodyElse();
      try {
        return await user.getIdToken(renew);
      } catch (error) {
        throw isNetwork(error) ? new ApiProblem(noAnswer()) : notSignedIn();
      }
    },
    async signOut() {
      await (await open()).signOut();
    },
  };
}

/** As it was kept, perhaps over by now: who somebody is can be told without a network. */
function lastToken(user: User): string {
  const kept = user.toJSON() as { stsTokenManager?: { accessToken?: string } };
  return kept.stsTokenManager?.accessToken ?? "";
}

const isNetwork = (error: unknown): boolean =>
  (error as { code?: unknown } | null)?.code === "auth/network-request-failed";
