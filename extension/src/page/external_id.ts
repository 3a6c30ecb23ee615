// What the API takes for an external id: `ExternalIdText` in shared/web/field_types.py.

const MOST_CHARACTERS = 128;
// No control characters, and no half of a character, which a database refuses.
const REFUSED = /\p{Cc}|\p{Surrogate}/u;

/** The id without the white space around it; null when there is none, or one that the API would refuse. */
export function externalId(text: string | null | undefined): string | null {
  const trimmed = (text ?? "").trim();
  // A long text is somebody's paragraph: it is not even looked at.
  if (trimmed === "" || trimmed.length > 2 * MOST_CHARACTERS) return null;
  if ([...trimmed].length > MOST_CHARACTERS) return null;
  return REFUSED.test(trimmed) ? null : trimmed;
}
