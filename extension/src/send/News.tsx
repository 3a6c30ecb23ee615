import { When } from "../look/When";
import { PROCEED_WORDS } from "../look/words";
import type { Shown } from "../patient/shown";

/** The system said something newer while a draft was written. */
export function News({ shown, now }: { shown: Shown; now: number }) {
  const { computedAt, proceed } = shown;
  return (
    <p class="news">
      Changed {computedAt !== null && <When at={computedAt} now={now} />}: now{" "}
      <b class={`is-${proceed}`}>{PROCEED_WORDS[proceed]}</b>. Your draft is kept.
    </p>
  );
}
