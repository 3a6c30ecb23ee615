// What Sidecar shows when it shows no patient: each says what is the matter and what to do.
import type { ComponentChildren } from "preact";

export function State({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="state">
      <h2 tabIndex={-1} data-focus="patient">
        {title}
      </h2>
      {children}
    </div>
  );
}

/** Takes the room of what is to come, so that nothing jumps. */
export function Skeleton() {
  return (
    <div class="state" role="status">
      <span class="spoken">Loading</span>
      <div class="skeleton is-title" />
      <div class="skeleton" />
      <div class="skeleton is-short" />
      <div class="skeleton is-block" />
      <div class="skeleton" />
      <div class="skeleton is-short" />
    </div>
  );
}
