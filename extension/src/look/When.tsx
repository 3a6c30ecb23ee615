import { absoluteTime, howLongAgo } from "./times";

/** A moment: how long ago, with the absolute time on hover. Milliseconds. */
export function When({ at, now }: { at: number; now: number }) {
  return (
    <time dateTime={new Date(at).toISOString()} title={absoluteTime(at)}>
      {howLongAgo(at, now)}
    </time>
  );
}
