// Whatever goes wrong with a call, as one problem with a sentence.
import { ApiProblem } from "../api/problem";

/** A call rejects with ApiProblem alone; where the extension is renewed under the panel, its messages get lost. */
export function problemOf(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error;
  return new ApiProblem({
    status: 0,
    title: "No answer",
    detail: "No answer came. Reload the panel if it stays.",
    errors: [],
  });
}

/** Whether to ask again by oneself: it may do better later. */
export const isWorthRetrying = (problem: ApiProblem): boolean => problem.isPassing || problem.status >= 500;
