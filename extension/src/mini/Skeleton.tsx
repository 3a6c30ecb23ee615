/** What comes has the same height, so that nothing jumps when it is here. */
export function Skeleton() {
  return (
    <div class="skeleton" aria-hidden="true">
      <i class="bone is-name" />
      <i class="bone is-line" />
      <i class="bone is-short" />
      <i class="bone is-note" />
      <i class="bone is-row" />
      <i class="bone is-foot" />
    </div>
  );
}
