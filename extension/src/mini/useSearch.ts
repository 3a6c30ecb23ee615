import { useEffect, useState } from "preact/hooks";
import { ApiProblem } from "../api/problem";
import type { AnswerOf } from "../api/types";
import type { Surroundings } from "../ports";

export type Hit = AnswerOf<"mini/patient/search">["results"][number];

const DEBOUNCE_MS = 200;
const SHORTEST = 2;
const NONE: readonly Hit[] = [];

// biome-ignore lint/suspicious/noControlCharactersInRegex: the API takes none.
const CONTROL = /[\x00-\x1f\x7f]+/g;

/** The patients that fit what is typed; an answer to something typed earlier never shows. */
export function useSearch(
  surroundings: Surroundings,
  typed: string,
): { results: readonly Hit[]; says: string } {
  const [results, setResults] = useState(NONE);
  const [says, setSays] = useState("");
  const query = typed.replace(CONTROL, " ").trim();

  useEffect(() => {
    setSays("");
    if (query.length < SHORTEST) {
      setResults(NONE);
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
        if (!current) return;
        setResults(answer.results);
        if (answer.results.length === 0) setSays("No patient found.");
      } catch (error) {
        if (!current) return;
        setResults(NONE);
        setSays(error instanceof ApiProblem ? error.problem.detail : "Mobius can't be reached.");
      }
    }, DEBOUNCE_MS);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [surroundings, query]);

  return { results, says };
}
