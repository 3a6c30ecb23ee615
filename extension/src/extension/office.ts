// What the service worker works with. Made anew when Chrome ended the worker: what has to last is in the store.
import { httpApi } from "../api/client";
import { ApiProblem } from "../api/problem";
import type { Identity } from "../identity/identity";
import type { Api } from "../ports";
import { type Configuration, loadConfiguration } from "./configuration";
import { becomeNobody, identityOf } from "./signing";

export interface Office {
  configuration: Configuration;
  identity: Identity;
  api: Api;
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
  const token = (renew?: boolean) => identity.token(renew);
  return { configuration, identity, api: httpApi({ addresses: configuration.addresses, token }) };
}

/** A token that was refused, the renewed one too, is of nobody. */
export async function checked<T>(calling: Promise<T>): Promise<T> {
  try {
    return await calling;
  } catch (error) {
    if (error instanceof ApiProblem && error.status === 401) {
      await becomeNobody((await office()).identity, true);
    }
    throw error;
  }
}
