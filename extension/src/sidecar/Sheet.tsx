import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";

interface Props {
  title: string;
  onClose(): void;
  children: ComponentChildren;
}

/** A question that the menu asked for, below the header: Escape takes it away. */
export function Sheet({ title, onClose, children }: Props) {
  const id = useId();
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    box.current?.querySelector<HTMLElement>("h3")?.focus();
  }, []);
  return (
    <section
      ref={box}
      class="sheet"
      role="dialog"
      aria-labelledby={id}
      onKeyDown={(event) => {
        if (event.key !== "Escape") return;
        event.stopPropagation();
        onClose();
      }}
    >
      <div class="part-head">
        <h3 id={id} tabIndex={-1}>
          {title}
        </h3>
        <button type="button" class="icon" aria-label="Close" title="Close" onClick={onClose}>
          <svg
            width="12"
            height="12"
            viewBox="0 0 12 12"
            stroke="currentColor"
            stroke-width="1.5"
            stroke-linecap="round"
            aria-hidden="true"
            focusable="false"
          >
            <path d="M2 2 10 10M10 2 2 10" />
          </svg>
        </button>
      </div>
      {children}
    </section>
  );
}
