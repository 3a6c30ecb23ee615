import { useEffect, useState } from "preact/hooks";
import { ApiProblem } from "../api/problem";
import type { AnswerOf } from "../api/types";
import type { Surroundings } from "../ports";

export type Hit = AnswerOf<"mini/patient/search">["results"][number];

const DEBOUNCE_MS = 200;
const SHORTEST = 2;
const NONE: Found = { query: "", results: [], says: "" };

interface Found {
  /** What was asked for. */
  query: string;
  results: readonly Hit[];
  says: string;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: the API takes none.
const CONTROL = /[\x00-\x1f\x7f]+/g;

/**
 * The patients that fit what is typed. What was found for something typed earlier stays until the next answer, so
 * that nothing jumps, as `stale`: nobody of it is meant any more.
 */
export function useSearch(
  surroundings: Surroundings,
  typed: string,
): { results: readonly Hit[]; stale: boolean; says: string } {
  const [found, setFound] = useState(NONE);
  const query = typed.replace(CONTROL, " ").trim();

  useEffect(() => {
    if (query.length < SHORTEST) {
      setFound({ ...NONE, query });
      return;
    }
    let current = true;
    const timer = setTimeout(async () => {
      const { api, sessionId, site, applicationId } = surroundings;
      try {
        const answer = await api.call("mini/patient/search", {
          session_id: sessionId,
          q: query,
          ...(site !== undefined && { site }),
          ...(applicationId !== undefined && { application_id: applicationId }),
        });
        const { results } = answer;
        if (current) setFound({ query, results, says: results.length === 0 ? "No patient found." : "" });
      } catch (error) {
        const says = error instanceof ApiProblem ? error.problem.detail : "Mobius can't be reached.";
        if (current) setFound({ ...NONE, query, says });
      }
    }, DEBOUNCE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [surroundings, query]);

  const stale = found.query !== query;
  return { results: found.results, stale, says: stale ? "" : found.says };
}
