// What a call that failed is told as. Never what a machine said: a sentence of ours, or of the API's own.
import type { FieldProblem, ProblemDocument } from "./problem";

export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Whether this is an answer of the API: something else may answer in its place, such as a sign-on page. */
export const isOurs = (body: unknown): boolean => isRecord(body) && body.ok === true;

/** The API's own problem document, or what stands for an answer that holds none. */
export function problemIn(status: number, body: unknown): ProblemDocument {
  if (!isRecord(body) || typeof body.detail !== "string") return withoutDocument(status);
  const { title, detail, errors } = body;
  return {
    status,
    title: typeof title === "string" ? title : "Problem",
    detail,
    errors: Array.isArray(errors) ? errors.filter(isFieldProblem).map(fieldProblem) : [],
  };
}

export const noAnswer = (): ProblemDocument => ({
  status: 0,
  title: "No answer",
  detail: "Mobius can't be reached right now. Check the network and try again.",
  errors: [],
});

export const notUnderstood = (): ProblemDocument => ({
  status: 0,
  title: "No answer",
  detail: "Something else answered in the place of Mobius. Check the network and try again.",
  errors: [],
});

function withoutDocument(status: number): ProblemDocument {
  if (status === 502 || status === 503 || status === 504) {
    const detail = "Mobius is not available right now. Try again shortly.";
    return { status: 503, title: "Temporarily unavailable", detail, errors: [] };
  }
  const detail = "Mobius could not do this. Try again; if it stays so, tell your administrator.";
  return { status, title: "Problem", detail, errors: [] };
}

const isFieldProblem = (value: unknown): value is FieldProblem =>
  isRecord(value) && typeof value.field === "string" && typeof value.message === "string";

const fieldProblem = ({ field, message }: FieldProblem): FieldProblem => ({ field, message });
