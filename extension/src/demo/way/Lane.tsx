// The drawing of one Send's way: above what the sender waits for, below what the other window waits for.

import { durationOf, STAGES, type StageName, type Stages } from "./way";
import { inMilliseconds, STAGE_WORDS } from "./words";

interface LaneProps {
  stages: Stages;
  /** The right edge, in milliseconds. */
  end: number;
  /** What a screen reader says of it. */
  sentence: string;
}

// A stage that is too short to be seen is drawn this wide, in percent.
const LEAST_WIDTH = 0.5;
const PLACE: Record<StageName, { y: number; height: number }> = {
  http: { y: 1, height: 9 },
  commit: { y: 1, height: 9 },
  publish: { y: 1, height: 9 },
  project: { y: 12, height: 9 },
  visible: { y: 12, height: 9 },
};

export function Lane({ stages, end, sentence }: LaneProps) {
  const percent = (at: number) => `${Math.min(100, Math.max(0, (at / end) * 100))}%`;
  return (
    <svg class="lane" height="22" role="img" aria-label={sentence}>
      {[25, 50, 75].map((at) => (
        <line key={at} class="lane-tick" x1={`${at}%`} x2={`${at}%`} y1="0" y2="22" />
      ))}
      {STAGES.map((name) => {
        const stage = stages[name];
        if (stage === null) return null;
        const width = Math.max(LEAST_WIDTH, ((stage.to - stage.from) / end) * 100);
        return (
          <rect
            key={name}
            class={`stage is-${name}`}
            x={percent(stage.from)}
            width={`${width}%`}
            {...PLACE[name]}
          >
            <title>{`${STAGE_WORDS[name].name}: ${inMilliseconds(durationOf(stage))} ms`}</title>
          </rect>
        );
      })}
      {stages.visible === null && (
        <line class="lane-unknown" x1={percent(knownUntil(stages))} x2="100%" y1="16.5" y2="16.5">
          <title>Not known</title>
        </line>
      )}
    </svg>
  );
}

function knownUntil({ project, commit, http }: Stages): number {
  return project?.to ?? commit?.to ?? http?.to ?? 0;
}
