// Signing in with Firebase, and what is said when it fails.
import {
  type Auth,
  GoogleAuthProvider,
  signInWithCredential,
  signInWithEmailAndPassword,
  type UserCredential,
} from "firebase/auth/web-extension";
import { readClaims } from "./claims";

const NO_CLINIC = "This account belongs to no clinic yet. Ask your administrator.";
const FAILED = "Signing in failed. Try again.";

const SENTENCES: Record<string, string> = {
  "auth/invalid-credential": "The e-mail address or the password is wrong.",
  "auth/invalid-email": "The e-mail address is not complete.",
  "auth/wrong-password": "The e-mail address or the password is wrong.",
  "auth/user-not-found": "The e-mail address or the password is wrong.",
  "auth/user-disabled": "This account is disabled. Ask your administrator.",
  "auth/too-many-requests": "Too many tries. Wait a while and try again.",
  "auth/network-request-failed": "The sign-in service can't be reached. Check the network and try again.",
};

/** null when somebody is signed in now; else a sentence that says why not. */
export const signInByPassword = (auth: Auth, email: string, password: string): Promise<string | null> =>
  outcomeOf(auth, () => signInWithEmailAndPassword(auth, email, password));

/** The same with what Google says of a person. */
export const signInByGoogle = (auth: Auth, idToken: string): Promise<string | null> =>
  outcomeOf(auth, () => signInWithCredential(auth, GoogleAuthProvider.credential(idToken)));

async function outcomeOf(auth: Auth, signIn: () => Promise<UserCredential>): Promise<string | null> {
  try {
    const { user } = await signIn();
    if (readClaims(await user.getIdToken())?.tenantId) return null;
    await auth.signOut();
    return NO_CLINIC;
  } catch (error) {
    return sentenceFor((error as { code?: unknown } | null)?.code);
  }
}

export function sentenceFor(code: unknown): string {
  return (typeof code === "string" && SENTENCES[code]) || FAILED;
}
