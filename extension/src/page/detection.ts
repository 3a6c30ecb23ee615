// Which patient a page shows, as the policy's page adapters tell it. Reads the page, changes nothing, and never
// guesses: a patient of whom there is any doubt is no patient.
import type { PageAdapter } from "../api/types";
import type { Sighting } from "../ports";
import { idInAddress, type PageAddress } from "./address";
import { externalId } from "./external_id";
import { siteMatches } from "./sites";
import { isVisible } from "./visibility";

/** A patient whom the page names. */
export type Detected = Extract<Sighting, { kind: "detected" }>;

/**
 * The patient by the first adapter that knows one; null when none does.
 *
 * An adapter knows none when it finds several different ids: a list is no record page. Nor does anybody when
 * two adapters of one source system contradict each other: the page is on its way from one patient to another.
 */
export function detect(
  document: Document,
  address: PageAddress,
  adapters: readonly PageAdapter[],
): Detected | null {
  const found = adaptersFor(address.hostname, adapters).flatMap((adapter) => {
    const id = idBy(adapter, document, address);
    return id === null ? [] : [sighting(adapter, id)];
  });
  const [first] = found;
  if (first === undefined) return null;
  const contradicts = (each: Detected) =>
    each.sourceSystem === first.sourceSystem && each.externalId !== first.externalId;
  return found.some(contradicts) ? null : first;
}

/** The adapters that are meant for this host. */
export function adaptersFor(hostname: string, adapters: readonly PageAdapter[]): PageAdapter[] {
  return adapters.filter((each) => siteMatches(each.site, hostname));
}

/** Whether two sightings are of the same patient, told by the same adapter. */
export function isSame(one: Detected | null, other: Detected | null): boolean {
  if (one === null || other === null) return one === other;
  return (
    one.sourceSystem === other.sourceSystem &&
    one.externalId === other.externalId &&
    one.pageSignature === other.pageSignature
  );
}

function sighting(adapter: PageAdapter, id: string): Detected {
  return {
    kind: "detected",
    sourceSystem: adapter.source_system,
    externalId: id,
    pageSignature: adapter.id,
  };
}

function idBy(adapter: PageAdapter, document: Document, address: PageAddress): string | null {
  switch (adapter.kind) {
    case "url_pattern":
      return externalId(idInAddress(adapter.value, address));
    case "data_attribute":
      return onlyId(document, `[${CSS.escape(adapter.value)}]`, (each) => each.getAttribute(adapter.value));
    case "selector":
      return onlyId(document, adapter.value, textOf);
  }
}

/** The id that all visible elements agree on. An element without one says nothing; a bad id is a doubt. */
function onlyId(
  document: Document,
  selector: string,
  read: (element: Element) => string | null,
): string | null {
  let only: string | null = null;
  for (const element of elements(document, selector)) {
    const text = read(element);
    if (!text?.trim() || !isVisible(element)) continue;
    const id = externalId(text);
    if (id === null || (only !== null && only !== id)) return null;
    only = id;
  }
  return only;
}

function elements(document: Document, selector: string): Iterable<Element> {
  try {
    return document.querySelectorAll(selector);
  } catch {
    // What a policy calls a selector need not be one to this browser: then it finds nothing.
    return [];
  }
}

function textOf(element: Element): string | null {
  const hasValue =
    element instanceof HTMLInputElement ||
    element instanceof HTMLSelectElement ||
    element instanceof HTMLTextAreaElement ||
    element instanceof HTMLOutputElement;
  return hasValue ? element.value : element.textContent;
}
