// What the Send form says, in sentences.
import { ApiProblem } from "../api/problem";
import type { Lack } from "./draft";
import { NOTE_LIMIT } from "./draft";

export const LACKS: Record<Lack, string> = {
  nothing_to_answer: "There is nothing to acknowledge for this patient yet.",
  note_missing: "Write a note first.",
  note_too_long: `The note is too long: at most ${NOTE_LIMIT.toLocaleString("en-US")} characters.`,
  nothing_asserted: "Choose a Proceed or a Tasking value.",
};

/** Why Send waits, where the form itself doesn't show it. */
export function hintAt(lack: Lack | undefined, mayOverride: boolean): string | null {
  if (lack === "nothing_asserted" && !mayOverride) {
    return "Mobius can't tell right now, so there is nothing to confirm.";
  }
  return lack === "nothing_asserted" || lack === "nothing_to_answer" ? LACKS[lack] : null;
}

export const CONFIRM_ONLY = "Your role confirms what the system shows; it can't assert another value.";

export const KEPT = "Not stored yet. Your draft is kept: press Send again.";

export const UNSURE = "No answer came. Your draft is kept: press Send again, it is stored only once.";

/** What is said of a Send that was under way when the page was left. */
export const LEFT_UNDER_WAY: Refusal = { passing: true, sentence: UNSURE, fields: {} };

/** Which of the form's fields a field of the request belongs to. */
const FIELDS: Record<string, FormField> = {
  note_text: "note",
  note: "note",
  override_proceed: "proceed",
  override_tasking: "tasking",
};

export type FormField = "note" | "proceed" | "tasking";

/** What a refusal says: at its fields where it names some, else as one sentence. */
export interface Refusal {
  /** Whether the same Send may be stored when it is tried again. */
  passing: boolean;
  sentence: string | null;
  fields: Partial<Record<FormField, string>>;
}

/** The API finishes "must be ..." or says "is required": here it is read as a sentence under its field. */
function asSentence(message: string): string {
  const first = message.charAt(0).toLocaleUpperCase("en-US") + message.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

/**
 * A refused or lost Send, told to the one who sent it. What is no problem of the API's (the extension was renewed
 * under the page, say) leaves open whether the Send arrived, as a lost answer does.
 */
export function refusalOf(problem: unknown): Refusal {
  if (!(problem instanceof ApiProblem) || problem.status === 0) return LEFT_UNDER_WAY;
  if (problem.isPassing) return { passing: true, sentence: KEPT, fields: {} };
  if (problem.status >= 500) return LEFT_UNDER_WAY;
  const fields: Refusal["fields"] = {};
  const others: string[] = [];
  for (const { field, message } of problem.problem.errors) {
    const ours = FIELDS[field];
    if (ours === undefined) others.push(asSentence(`${field} ${message}`));
    else fields[ours] = asSentence(message);
  }
  const told = Object.keys(fields).length > 0 && others.length === 0;
  const sentence = told ? null : others.join(" ") || problem.problem.detail;
  return { passing: false, sentence, fields };
}
