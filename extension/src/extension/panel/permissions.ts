// On which of the policy's sites Chrome doesn't let Mini show yet.
import type { Config } from "../../api/types";
import { patternsOf, sitesOf } from "../sites";

/** A site counts as allowed as soon as it is for one scheme. */
export async function sitesWithoutPermission(config: Config): Promise<string[]> {
  const isAllowed = (pattern: string) => chrome.permissions.contains({ origins: [pattern] });
  const sites = sitesOf(config);
  const allowed = await Promise.all(
    sites.map(async (site) => (await Promise.all(patternsOf([site]).map(isAllowed))).includes(true)),
  );
  return sites.filter((_, index) => !allowed[index]);
}

/** To be called while a click is being handled: Chrome asks the person. */
export const askForPermission = (sites: readonly string[]): Promise<boolean> =>
  chrome.permissions.request({ origins: patternsOf(sites) });

export function onPermissions(act: () => void): () => void {
  chrome.permissions.onAdded.addListener(act);
  chrome.permissions.onRemoved.addListener(act);
  return () => {
    chrome.permissions.onAdded.removeListener(act);
    chrome.permissions.onRemoved.removeListener(act);
  };
}
