// What the service worker works with. Made anew when Chrome ended the worker: what has to last is in the store.
import { httpApi } from "../api/client";
import { ApiProblem } from "../api/problem";
import { type Identity, isSameUser, type SignedIn } from "../identity/identity";
import type { Api } from "../ports";
import { type Configuration, loadConfiguration } from "./configuration";
import { becomeNobody, identityOf, untilSignedOut } from "./signing";

export interface Office {
  configuration: Configuration;
  identity: Identity;
  /** For whoever is signed in now. */
  deskOf(user: SignedIn): Desk;
}

/** What is done for one user is done for them alone: it ends when they sign out, and is not the next one's. */
export interface Desk {
  api: Api;
  isTheirs(): Promise<boolean>;
}

let opened: Promise<Office> | undefined;

export function office(): Promise<Office> {
  opened ??= openOffice();
  // A configuration that is mended counts without a restart.
  opened.catch(() => {
    opened = undefined;
  });
  return opened;
}

async function openOffice(): Promise<Office> {
  const configuration = await loadConfiguration();
  const identity = identityOf(configuration);
  return { configuration, identity, deskOf: (user) => deskOf(user, configuration, identity) };
}

function deskOf(user: SignedIn, { addresses }: Configuration, identity: Identity): Desk {
  const signal = untilSignedOut();
  const api = httpApi({ addresses, signal, token: (renew) => identity.token(user, renew) });
  const isTheirs = async () => isSameUser(await identity.who(), user) && !signal.aborted;
  return {
    isTheirs,
    api: {
      async call(endpoint, body, options) {
        try {
          return await api.call(endpoint, body, options);
        } catch (error) {
          // A token that was refused, the renewed one too, is of nobody.
          const isRefused = error instanceof ApiProblem && error.status === 401;
          if (isRefused && (await isTheirs())) await becomeNobody(identity, true);
          throw error;
        }
      },
    },
  };
}
