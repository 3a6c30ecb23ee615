import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Told } from "../src/api/client";
import { roundUp } from "../src/demo/way/scale";
import { durationOf, median, STAGES, stagesOf, type Way, wholeWay } from "../src/demo/way/way";
import { KEPT, Ways } from "../src/demo/way/ways";
import { inMilliseconds, sentenceOf } from "../src/demo/way/words";
import type { PatientStateDocument } from "../src/live/documents";

const START = 1_795_486_199_000;
const way = (given: Partial<Way> = {}): Way => ({
  submissionId: "s1",
  from: "left",
  startedAt: START,
  endedAt: START + 40,
  requestAt: null,
  responseAt: null,
  commit: 2,
  publish: 6,
  total: 30,
  projectedAt: START + 90,
  heardAt: START + 130,
  ...given,
});

describe("the stages of a Send", () => {
  test("follow each other on one clock", () => {
    // 40 ms there and back, 30 of them the server's: 5 ms each way.
    expect(stagesOf(way())).toEqual({
      http: { from: 0, to: 40 },
      publish: { from: 29, to: 35 },
      commit: { from: 27, to: 29 },
      project: { from: 29, to: 90 },
      visible: { from: 90, to: 130 },
    });
    expect(wholeWay(way())).toBe(130);
  });

  test("lie where the network says, when it says", () => {
    // The browser waited 4 ms before it called and 4 ms before it read: 2 of 32 are the way itself.
    const stages = stagesOf(way({ requestAt: START + 4, responseAt: START + 36 }));
    expect([stages.publish?.to, stages.commit?.to]).toEqual([35, 29]);
    const late = stagesOf(way({ requestAt: START, responseAt: START + 32 }));
    expect([late.publish?.to, late.commit?.to]).toEqual([31, 25]);
  });

  test("are not known when what they are made of is not", () => {
    const unmeasured = stagesOf(way({ total: null }));
    expect([unmeasured.commit, unmeasured.publish, unmeasured.project]).toEqual([null, null, null]);
    expect(durationOf(unmeasured.visible)).toBe(40);
    expect(stagesOf(way({ heardAt: null })).visible).toBeNull();
    expect(wholeWay(way({ heardAt: null }))).toBeNull();
    expect(stagesOf(way({ projectedAt: null })).project).toBeNull();
  });

  test("are not known when the clocks contradict each other, and never take less than no time", () => {
    expect(stagesOf(way({ projectedAt: START + 10 })).project).toBeNull();
    expect(durationOf(stagesOf(way({ projectedAt: START + 28 })).project)).toBe(0);
  });

  test("never begin after their end", () => {
    const some = fc.option(fc.double({ min: 0, max: 5_000, noNaN: true }));
    const at = (offset: number | null) => (offset === null ? null : START + offset);
    fc.assert(
      fc.property(some, some, some, some, some, (commit, publish, total, projected, heard) => {
        const given = { commit, publish, total, projectedAt: at(projected), heardAt: at(heard) };
        const stages = stagesOf(way(given));
        for (const name of STAGES) {
          const stage = stages[name];
          if (stage) expect(stage.to).toBeGreaterThanOrEqual(stage.from);
        }
        if (commit !== null && stages.commit) expect(durationOf(stages.commit)).toBeCloseTo(commit, 3);
      }),
    );
  });
});

describe("the middle", () => {
  test("is that of what is known", () => {
    expect(median([])).toBeNull();
    expect(median([null])).toBeNull();
    expect(median([9, null, 1])).toBe(5);
    expect(median([30, 1, 2])).toBe(2);
  });
});

describe("the words", () => {
  test("say what is not known", () => {
    const { commit, ...rest } = stagesOf(way());
    const said = sentenceOf({ ...rest, commit: null }, null);
    expect(said).toContain("Commit not known");
    expect(said).toContain("The other window has not shown it.");
    expect(sentenceOf({ ...rest, commit }, 130)).toContain(
      "Seen in the other window after 130 milliseconds.",
    );
    expect([inMilliseconds(null), inMilliseconds(0.64), inMilliseconds(38.4)]).toEqual(["–", "0.6", "38"]);
  });

  test("of the scale are round", () => {
    expect([0, 50, 51, 180, 999].map(roundUp)).toEqual([50, 50, 100, 200, 1000]);
    fc.assert(fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (most) => roundUp(most) >= most));
  });
});

describe("a Send's way", () => {
  const answer = (id: string, endpoint: Told["endpoint"] = "mini/ack", status = 200): Told => ({
    endpoint,
    startedAt: START,
    endedAt: START + 40,
    status,
    serverTiming: { commit: 2, publish: 6, total: 30 },
    body: { submission_id: id },
  });
  const document = (id: string, updatedAt = START + 90) =>
    ({ last_mini_submission: { mini_submission_id: id }, updated_at: updatedAt }) as PatientStateDocument;
  const collect = () => {
    const told: Way[][] = [];
    return { ways: new Ways((each) => told.push(each)), last: () => told.at(-1) ?? [] };
  };

  test("is put together whichever comes first, the answer or the document", () => {
    for (const answerFirst of [true, false]) {
      const { ways, last } = collect();
      const steps = [
        () => ways.answered("left", answer("s1")),
        () => ways.heard("right", document("s1"), START + 130),
      ];
      for (const step of answerFirst ? steps : steps.reverse()) step();
      expect(last()).toEqual([way()]);
    }
  });

  test("ends in the other window, not in the sender's own", () => {
    const { ways, last } = collect();
    ways.answered("right", answer("s1", "sidecar/ack"));
    ways.heard("right", document("s1"), START + 100);
    expect(last()[0]).toMatchObject({ from: "right", projectedAt: START + 90, heardAt: null });
    ways.heard("left", document("s1"), START + 120);
    expect(last()[0]?.heardAt).toBe(START + 120);
  });

  test("ends when it was heard of first", () => {
    const { ways, last } = collect();
    ways.answered("left", answer("s1"));
    ways.heard("right", document("s1"), START + 130);
    ways.heard("right", document("s1", START + 5_000), START + 5_100);
    expect(last()[0]).toMatchObject({ projectedAt: START + 90, heardAt: START + 130 });
  });

  test("is not begun by what is no Send, or was refused, or was sent before", () => {
    const { ways, last } = collect();
    ways.answered("left", answer("s1", "mini/status"));
    ways.answered("left", answer("s1", "mini/ack", 422));
    ways.heard("right", document("s0"), START);
    expect(last()).toEqual([]);
    ways.answered("left", answer("s1"));
    ways.answered("left", { ...answer("s1"), endedAt: START + 9_000 });
    expect(last()).toHaveLength(1);
    expect(last()[0]?.endedAt).toBe(START + 40);
  });

  test("is timed by the network, whoever tells first", () => {
    for (const answerFirst of [true, false]) {
      const { ways, last } = collect();
      ways.travelled("left", START - 90, START - 70);
      const steps = [
        () => ways.answered("left", answer("s1")),
        () => ways.travelled("left", START + 3, START + 37),
        () => ways.travelled("right", START + 4, START + 36),
      ];
      for (const step of answerFirst ? steps : steps.reverse()) step();
      expect(last()[0]).toMatchObject({ requestAt: START + 3, responseAt: START + 37 });
    }
  });

  test("is kept for a while only", () => {
    const { ways, last } = collect();
    for (let each = 0; each < KEPT + 5; each++) ways.answered("left", answer(`s${each}`));
    expect(last()).toHaveLength(KEPT);
    expect(last()[0]?.submissionId).toBe("s5");
  });
});
