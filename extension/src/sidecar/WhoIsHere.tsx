import type { PresenceDocument } from "../live/documents";
import { When } from "../look/When";
import { Section } from "./Section";
import { surfaceWord } from "./words";

export interface Present {
  userId: string;
  name: string;
  surfaces: string[];
  lastSeen: number;
  isMe: boolean;
}

/** One line for each user, the user themselves last; two tabs of one user are one. */
export function present(here: readonly PresenceDocument[], me: string): Present[] {
  const byUser = new Map<string, Present>();
  for (const each of here) {
    const known = byUser.get(each.user_id);
    const surface = surfaceWord(each.surface_type);
    byUser.set(each.user_id, {
      userId: each.user_id,
      name: each.user_display_name,
      surfaces: [...new Set([...(known?.surfaces ?? []), surface])].sort(),
      lastSeen: Math.max(known?.lastSeen ?? 0, each.last_seen_at),
      isMe: each.user_id === me,
    });
  }
  return [...byUser.values()].sort(
    (one, other) => Number(one.isMe) - Number(other.isMe) || other.lastSeen - one.lastSeen,
  );
}

/** Whoever has this patient open. */
export function WhoIsHere({
  people,
  isKnown,
  now,
}: {
  people: readonly Present[];
  isKnown: boolean;
  now: number;
}) {
  return (
    <Section place="here" title="Who is here" count={people.length}>
      {people.length === 0 && (
        <p class="quiet">{isKnown ? "Nobody has this patient open." : "Not known right now."}</p>
      )}
      <ul class="people">
        {people.map((each) => (
          <li key={each.userId}>
            <span class="cut" dir="auto" title={each.name}>
              {each.name || "Somebody"}
              {each.isMe && <span class="quiet"> (you)</span>}
            </span>
            <span class="quiet small">
              {each.surfaces.join(", ")} · seen <When at={each.lastSeen} now={now} />
            </span>
          </li>
        ))}
      </ul>
    </Section>
  );
}
