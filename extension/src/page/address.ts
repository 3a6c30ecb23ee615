// The external id out of the address of a page.

const PLACE = "{id}";

/** What of a page's location can name a patient. */
export interface PageAddress {
  hostname: string;
  pathname: string;
  hash?: string;
}

/**
 * The one path segment, or the part of it, that stands where the pattern says `{id}`; null when the address is
 * another one. The whole path has to fit: `/patients/{id}` is not `/patients/7/edit`. A pattern with a `#` is
 * held against what follows the address's `#`, too, for applications that keep their pages there.
 */
export function idInAddress(pattern: string, address: PageAddress): string | null {
  const hash = pattern.includes("#") ? (address.hash ?? "").replace(/\?.*$/, "") : "";
  const wanted = segments(pattern);
  const given = segments(address.pathname + hash);
  if (wanted === null || given === null || wanted.length !== given.length) return null;
  let found: string | null = null;
  for (const [place, each] of wanted.entries()) {
    const segment = given[place] ?? "";
    if (each.includes(PLACE)) {
      found = between(segment, each);
      if (found === null) return null;
    } else if (each !== segment) {
      return null;
    }
  }
  return found;
}

/** Segments are told apart before they are decoded: an escaped slash is part of an id. */
function segments(path: string): string[] | null {
  try {
    return path.replace(/\/$/, "").split("/").map(decodeURIComponent);
  } catch {
    return null;
  }
}

function between(segment: string, pattern: string): string | null {
  const [before = "", after = ""] = pattern.split(PLACE);
  const fits = segment.startsWith(before) && segment.endsWith(after);
  return fits && segment.length > before.length + after.length
    ? segment.slice(before.length, segment.length - after.length)
    : null;
}
