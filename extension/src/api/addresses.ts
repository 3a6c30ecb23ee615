// Where each endpoint answers: all below one base as on a developer's machine, or each at its own as deployed.
import { ApiProblem } from "./problem";
import type { Endpoint } from "./types";

export type Addresses = { base: string } | { functions: Partial<Record<Endpoint, string>> };

const NAME = /^(?:mini|sidecar)(?:\/[a-z]+(?:-[a-z]+)*)+$/;

/** Raises ApiProblem for what is no endpoint, as for one that the configuration doesn't name. */
export function address(addresses: Addresses, endpoint: Endpoint): string {
  const found = NAME.test(endpoint) ? lookUp(addresses, endpoint) : undefined;
  if (found !== undefined) return found;
  throw new ApiProblem({
    status: 404,
    title: "No address",
    detail: "Mobius isn't set up for this yet: its configuration names no address for it.",
    errors: [],
  });
}

function lookUp(addresses: Addresses, endpoint: Endpoint): string | undefined {
  if ("base" in addresses) return `${addresses.base.replace(/\/+$/, "")}/api/v1/${endpoint}`;
  return Object.hasOwn(addresses.functions, endpoint) ? addresses.functions[endpoint] : undefined;
}
