import { deleteApp } from "firebase/app";
import type { Auth } from "firebase/auth/web-extension";

/** Lends an Auth of this page for one deed: the service worker has its own, and both read the same storage. */
export async function closing<T>(open: () => Promise<Auth>, act: (auth: Auth) => Promise<T>): Promise<T> {
  const auth = await open();
  try {
    return await act(auth);
  } finally {
    await deleteApp(auth.app);
  }
}
