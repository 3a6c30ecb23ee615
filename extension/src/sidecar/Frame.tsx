import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Place } from "./Section";

export interface Jump {
  place: Place;
  label: string;
  count?: number | undefined;
}

interface Props {
  head: ComponentChildren;
  /** What is worth knowing about what shows. */
  notices?: ComponentChildren;
  jumps?: readonly Jump[];
  foot: ComponentChildren;
  children: ComponentChildren;
}

/** Head and foot stay where they are; between them the sections scroll, and each can be jumped to. */
export function Frame({ head, notices, jumps = [], foot, children }: Props) {
  const body = useRef<HTMLDivElement>(null);
  const [current, setCurrent] = useState<string | null>(null);
  const jumped = useRef<{ place: Place; top: number } | null>(null);
  const parts = () => [...(body.current?.querySelectorAll<HTMLElement>("[data-place]") ?? [])];

  const look = () => {
    const box = body.current;
    if (!box) return;
    // Who jumped to a section near the end is in it, though it can't come to the top.
    if (jumped.current?.top === box.scrollTop) {
      setCurrent(jumped.current.place);
      return;
    }
    jumped.current = null;
    const isAtEnd = box.scrollTop + box.clientHeight >= box.scrollHeight - 1;
    const passed = parts().filter((part) => part.offsetTop <= box.scrollTop + 24);
    setCurrent((isAtEnd && box.scrollTop > 0 ? parts().at(-1) : passed.at(-1))?.dataset.place ?? null);
  };
  useEffect(look);

  const jump = (place: Place) => {
    const part = parts().find((each) => each.dataset.place === place);
    if (!part || !body.current) return;
    body.current.scrollTo({ top: part.offsetTop - 4 });
    jumped.current = { place, top: body.current.scrollTop };
    setCurrent(place);
    part.querySelector<HTMLElement>("h3")?.focus({ preventScroll: true });
  };

  return (
    <>
      <div class="top">
        {head}
        {notices}
        {jumps.length > 0 && (
          <nav class="jumps" aria-label="Sections">
            {jumps.map(({ place, label, count }) => (
              <button
                key={place}
                type="button"
                aria-current={current === place ? "true" : undefined}
                onClick={() => jump(place)}
              >
                {label}
                {count !== undefined && count > 0 && <span class="count">{count > 99 ? "99+" : count}</span>}
              </button>
            ))}
          </nav>
        )}
      </div>
      <div class="body" ref={body} onScroll={look}>
        {children}
      </div>
      <div class="foot">{foot}</div>
    </>
  );
}
