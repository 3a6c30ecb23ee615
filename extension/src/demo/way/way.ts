// The way of one Send, from the browser to the other window. Pure. Times are milliseconds since 1970, of one
// machine's clock; null is what is not known, and nothing is put in its place.
import type { SideName } from "../side";

export interface Way {
  submissionId: string;
  from: SideName;
  startedAt: number;
  endedAt: number;
  /** When the request went out and when its answer began to come in, by the network. */
  requestAt: number | null;
  responseAt: number | null;
  /** Of the server's own time, in milliseconds. */
  commit: number | null;
  publish: number | null;
  total: number | null;
  /** When the projector made the document. */
  projectedAt: number | null;
  /** When the listener in the other window heard of it. */
  heardAt: number | null;
}

export const STAGES = ["http", "commit", "publish", "project", "visible"] as const;
export type StageName = (typeof STAGES)[number];

/** A stage's place on the way: milliseconds after the Send. */
export interface Stage {
  from: number;
  to: number;
}

export type Stages = Record<StageName, Stage | null>;

// Firestore's times come in whole milliseconds, cut off: a stage may seem to end this much before it began.
const CLOCK_MS = 1.5;

/**
 * Where each stage lies. When the server began and ended is taken from the middle of the request: the way there
 * and the way back count as equally long. It publishes last, and commits right before.
 */
export function stagesOf(way: Way): Stages {
  const http = { from: 0, to: way.endedAt - way.startedAt };
  const published = serverEnd(way);
  const publish = published === null || way.publish === null ? null : before(published, way.publish);
  const commit = publish === null || way.commit === null ? null : before(publish.from, way.commit);
  const projectedAt = since(way, way.projectedAt);
  const heardAt = since(way, way.heardAt);
  return {
    http,
    commit,
    publish,
    project: between(commit?.to ?? null, projectedAt),
    visible: between(projectedAt, heardAt),
  };
}

/** From the Send until the other window heard of it. */
export function wholeWay(way: Way): number | null {
  return since(way, way.heardAt);
}

export function durationOf(stage: Stage | null): number | null {
  return stage && stage.to - stage.from;
}

/** The middle of what is known; of an even number the mean of the middle two. */
export function median(values: readonly (number | null)[]): number | null {
  const known = values.filter((each) => each !== null).sort((one, other) => one - other);
  const upper = known[Math.floor(known.length / 2)];
  const lower = known[Math.floor((known.length - 1) / 2)];
  return upper === undefined || lower === undefined ? null : (upper + lower) / 2;
}

function serverEnd({ startedAt, endedAt, requestAt, responseAt, total }: Way): number | null {
  if (total === null) return null;
  const began = requestAt ?? startedAt;
  const ended = responseAt ?? endedAt;
  return ended - startedAt - Math.max(0, (ended - began - total) / 2);
}

const before = (end: number, duration: number): Stage => ({ from: end - duration, to: end });

const since = (way: Way, at: number | null): number | null => (at === null ? null : at - way.startedAt);

/** Null, too, when the two clocks that were asked contradict each other. */
function between(from: number | null, to: number | null): Stage | null {
  if (from === null || to === null || to < from - CLOCK_MS) return null;
  return { from, to: Math.max(from, to) };
}
