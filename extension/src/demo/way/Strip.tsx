// The way of each Send, one row each. What was not measured is drawn as not known.
import { Lane } from "./Lane";
import { roundUp } from "./scale";
import { durationOf, median, STAGES, type Stages, stagesOf, type Way, wholeWay } from "./way";
import { directionOf, inMilliseconds, STAGE_WORDS, sentenceOf } from "./words";

const SHOWN = 3;
const TIME = new Intl.DateTimeFormat("en-US", { timeStyle: "medium", hourCycle: "h23" });

export function Strip({ ways }: { ways: readonly Way[] }) {
  const drawn = ways.map((way) => ({ way, stages: stagesOf(way), whole: wholeWay(way) }));
  const latest = drawn.slice(-SHOWN).reverse();
  const ends = latest.map(({ way, whole }) => Math.max(way.endedAt - way.startedAt, whole ?? 0));
  const end = roundUp(Math.max(0, ...ends));
  const middle = (name: keyof Stages) => median(drawn.map(({ stages }) => durationOf(stages[name])));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: on a narrow screen it scrolls, by keyboard too
    <section class="strip" aria-labelledby="strip-title" tabIndex={0}>
      <table class="ways">
        <caption>
          <h2 id="strip-title">The way of each Send</h2>
          <span class="quiet">
            Milliseconds, all by this machine’s clock; the way to the server and back count as equally long.
          </span>
        </caption>
        <thead>
          <tr>
            <th scope="col" class="col-when">
              Sent
            </th>
            <th scope="col" class="col-way">
              Way
            </th>
            <th scope="col" class="col-lane">
              {latest.length > 0 ? <Scale end={end} /> : <span class="spoken">Drawing</span>}
            </th>
            {STAGES.map((name) => (
              <th key={name} scope="col" class="number" title={sentenceCase(STAGE_WORDS[name].meaning)}>
                <span class={`swatch is-${name}`} aria-hidden="true" />
                {STAGE_WORDS[name].name}
              </th>
            ))}
            <th scope="col" class="number whole" title="From the Send until the other window heard of it">
              In all
            </th>
          </tr>
        </thead>
        <tbody>
          {latest.map(({ way, stages, whole }) => (
            <tr key={way.submissionId}>
              <td class="col-when">{TIME.format(way.startedAt)}</td>
              <th scope="row" class="col-way">
                {directionOf(way.from)}
              </th>
              <td class="col-lane">
                <Lane stages={stages} end={end} sentence={sentenceOf(stages, whole)} />
              </td>
              {STAGES.map((name) => (
                <td key={name} class="number">
                  <Milliseconds duration={durationOf(stages[name])} />
                </td>
              ))}
              <td class="number whole">
                <Milliseconds duration={whole} />
              </td>
            </tr>
          ))}
          {latest.length === 0 && (
            <tr>
              <td class="none-yet" colSpan={9}>
                Write a note in either window and press Send: its way is drawn here.
              </td>
            </tr>
          )}
        </tbody>
        {latest.length > 0 && (
          <tfoot>
            <tr>
              <td class="col-when" />
              <th scope="row" class="col-middle" colSpan={2}>
                p50 of {ways.length === 1 ? "1 Send" : `${ways.length} Sends`}
              </th>
              {STAGES.map((name) => (
                <td key={name} class="number">
                  <Milliseconds duration={middle(name)} />
                </td>
              ))}
              <td class="number whole">
                <Milliseconds duration={median(drawn.map(({ whole }) => whole))} />
              </td>
            </tr>
          </tfoot>
        )}
      </table>
    </section>
  );
}

function Scale({ end }: { end: number }) {
  return (
    <span class="scale">
      <span>0</span>
      <span>{end / 2}</span>
      <span>{end} ms</span>
    </span>
  );
}

function Milliseconds({ duration }: { duration: number | null }) {
  if (duration !== null) return <>{inMilliseconds(duration)}</>;
  return (
    <span class="quiet" title="Not known">
      <span aria-hidden="true">–</span>
      <span class="spoken">not known</span>
    </span>
  );
}

const sentenceCase = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);
