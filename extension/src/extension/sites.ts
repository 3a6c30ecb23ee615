// Where Mini's content script belongs: of the policy's sites, as Chrome's match patterns. Pure.
import type { Config } from "../api/types";

const HOST = /^(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$/;

/**
 * The sites that policy names for this user; where it allows every site, those that it can read a patient from.
 * Never every page of the web: a site that nobody named has no adapter that would find a patient there.
 */
export function sitesOf(config: Pick<Config, "sites" | "page_adapters">): string[] {
  const named = config.sites.includes("*") ? config.page_adapters.map(({ site }) => site) : config.sites;
  return [...new Set(named)].filter((site) => HOST.test(site)).sort();
}

/** `*.example.org` means `example.org` too, to the policy as to Chrome. Each scheme is a permission apart. */
export function patternsOf(sites: readonly string[]): string[] {
  return sites.flatMap((site) => [`http://${site}/*`, `https://${site}/*`]);
}
