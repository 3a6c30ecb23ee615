import { useState } from "preact/hooks";
import type { Config } from "../api/types";
import { Item } from "./Item";
import type { Inbox } from "./inbox";
import { Section } from "./Section";
import { useStore } from "./store";

interface Props {
  inbox: Inbox;
  config: Config;
  now: number;
  people: ReadonlyMap<string, string>;
  opened: ReadonlyMap<string, string>;
  /** The patient whom Sidecar shows. */
  patientKey: string | null;
  /** How many are shown before somebody asks for more. */
  first: number;
  onOpen(patientKey: string): void;
}

const STEP = 20;

/** Mine and my role's, the oldest first. */
export function OpenItems({ inbox, first, ...others }: Props) {
  const { isKnown, items, openCount, cursor, isLoadingMore, problem } = useStore(inbox.store);
  const [added, setAdded] = useState(0);
  const most = first + added;
  const hidden = openCount - Math.min(most, items.length);
  const more = () => {
    setAdded(added + STEP);
    if (most + STEP > items.length && cursor !== null) void inbox.loadMore();
  };
  return (
    <Section
      place="items"
      title="Open items"
      count={isKnown ? openCount : undefined}
      aside={<span class="quiet">Yours and your role’s, of all patients</span>}
    >
      {!isKnown && !problem && <div class="skeleton" aria-hidden="true" />}
      {isKnown && items.length === 0 && <p class="quiet">Nothing is open for you or your role.</p>}
      {items.length > 0 && (
        <ul class="items">
          {items.slice(0, most).map((item) => (
            <Item key={item.assignment_id} item={item} inbox={inbox} {...others} />
          ))}
        </ul>
      )}
      {problem && (
        <p class="problem" role="alert">
          {problem.message}{" "}
          <button type="button" class="plain" onClick={inbox.refresh}>
            Try again
          </button>
        </p>
      )}
      {hidden > 0 && items.length > 0 && (
        <button type="button" class="plain more" aria-disabled={isLoadingMore} onClick={more}>
          {isLoadingMore ? "Loading…" : moreWords(hidden)}
        </button>
      )}
    </Section>
  );
}

const moreWords = (hidden: number): string =>
  hidden > STEP ? `Show ${STEP} more of ${hidden.toLocaleString("en-US")}` : `Show ${hidden} more`;
