// Collects the ways of the page's Sends out of what its two sides tell.
import type { Told } from "../../api/client";
import type { PatientStateDocument } from "../../live/documents";
import type { SideName, Witness } from "../side";
import type { Way } from "./way";

/** As many as a session's median is made of. */
export const KEPT = 200;
const ACKNOWLEDGED = /^(mini|sidecar)\/ack$/;

interface Travel {
  from: SideName;
  requestAt: number;
  responseAt: number;
}

interface Hearing {
  projectedAt: number;
  bySide: Partial<Record<SideName, number>>;
}

export class Ways implements Witness {
  private readonly ways = new Map<string, Way>();
  // A listener may be faster than the answer: what it heard waits here.
  private readonly hearings = new Map<string, Hearing>();

  private travels: Travel[] = [];

  constructor(private readonly onChange: (ways: Way[]) => void) {}

  answered(from: SideName, told: Told): void {
    const submissionId = idOf(told);
    // The same submission a second time is a Send that was repeated: its first answer is the one that counts.
    if (submissionId === null || this.ways.has(submissionId)) return;
    const { commit = null, publish = null, total = null } = told.serverTiming;
    const { startedAt, endedAt } = told;
    const travel = this.travels.findLast((each) => isOf({ from, startedAt, endedAt }, each));
    this.put({
      submissionId,
      from,
      startedAt,
      endedAt,
      requestAt: travel?.requestAt ?? null,
      responseAt: travel?.responseAt ?? null,
      commit,
      publish,
      total,
      projectedAt: null,
      heardAt: null,
    });
    this.meet(submissionId);
  }

  /** What the network tells of a Send, before or after its answer. */
  travelled(from: SideName, requestAt: number, responseAt: number): void {
    this.travels = [...this.travels, { from, requestAt, responseAt }].slice(-KEPT);
    const way = [...this.ways.values()].find((each) => isOf(each, { from, requestAt, responseAt }));
    if (way !== undefined) this.put({ ...way, requestAt, responseAt });
  }

  heard(side: SideName, document: PatientStateDocument, at: number): void {
    const submissionId = document.last_mini_submission?.mini_submission_id;
    if (submissionId === undefined) return;
    const known = this.hearings.get(submissionId);
    // Later documents may tell of the same submission: the first one made it visible.
    if (known?.bySide[side] !== undefined) return;
    const hearing = known ?? { projectedAt: document.updated_at, bySide: {} };
    hearing.bySide[side] = at;
    this.hearings.set(submissionId, hearing);
    keepLatest(this.hearings);
    this.meet(submissionId);
  }

  private meet(submissionId: string): void {
    const way = this.ways.get(submissionId);
    const hearing = this.hearings.get(submissionId);
    if (way === undefined || hearing === undefined) return;
    const other = way.from === "left" ? "right" : "left";
    this.put({ ...way, projectedAt: hearing.projectedAt, heardAt: hearing.bySide[other] ?? null });
  }

  private put(way: Way): void {
    this.ways.set(way.submissionId, way);
    keepLatest(this.ways);
    this.onChange([...this.ways.values()]);
  }
}

function isOf(way: Pick<Way, "from" | "startedAt" | "endedAt">, travel: Travel): boolean {
  return way.from === travel.from && way.startedAt <= travel.requestAt && travel.responseAt <= way.endedAt;
}

function idOf({ endpoint, status, body }: Told): string | null {
  if (status !== 200 || !ACKNOWLEDGED.test(endpoint)) return null;
  const { submission_id: id } = body as { submission_id?: unknown };
  return typeof id === "string" ? id : null;
}

function keepLatest(map: Map<string, unknown>): void {
  const [oldest] = map.keys();
  if (map.size > KEPT && oldest !== undefined) map.delete(oldest);
}
