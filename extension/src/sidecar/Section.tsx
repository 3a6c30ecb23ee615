import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";

/** Where a section can be jumped to; the order is that of the panel. */
export type Place = "why" | "send" | "items" | "history" | "ask" | "here";

interface Props {
  place: Place;
  title: string;
  /** Beside the title: how many there are. */
  count?: number | undefined;
  /** At the end of the title's line. */
  aside?: ComponentChildren;
  children: ComponentChildren;
}

export function Section({ place, title, count, aside, children }: Props) {
  const id = useId();
  return (
    <section class="part" data-place={place} aria-labelledby={id}>
      <div class="part-head">
        <h3 id={id} tabIndex={-1}>
          {title}
          {count !== undefined && count > 0 && <span class="count">{count.toLocaleString("en-US")}</span>}
        </h3>
        {aside}
      </div>
      {children}
    </section>
  );
}
