// The rules of a draft: what a Send would say, whether it may be said, and which response it answers. Pure.
import type { AssertedProceed, AssertedTasking, ProceedIndicator } from "../api/types";

/** As the API counts them: characters, not UTF-16 units. */
export const NOTE_LIMIT = 4000;

/** What the user chose themselves; null where they left it to the preset (Proceed) or kept it (Tasking). */
export interface Chosen {
  note: string;
  proceed: AssertedProceed | null;
  tasking: AssertedTasking | null;
}

/** The system response that a Send answers, with what it shows. */
export interface Answered {
  responseId: string | null;
  proceed: ProceedIndicator;
}

/** A Send that was tried and whose fate is not known: tried again, it must be the same, word for word. */
export interface Attempt {
  key: string;
  content: Content;
  answered: Answered;
}

export interface Draft extends Chosen {
  /** The response that was showing when the draft was begun. */
  begunOn: string | null;
  attempt: Attempt | null;
}

/** What a Send says. */
export interface Content {
  note_text: string;
  override_proceed: AssertedProceed | null;
  override_tasking: AssertedTasking | null;
  system_response_id: string | null;
}

export type Lack = "note_missing" | "note_too_long" | "nothing_asserted" | "nothing_to_answer";

export const EMPTY: Draft = { note: "", proceed: null, tasking: null, begunOn: null, attempt: null };

// What the API takes for blank (shared/web/field_types.py); JavaScript's \s lacks the four separators and NEL.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about.
const BLANK_ENDS = /^[\s\x1c-\x1f\x85\ufeff]+|[\s\x1c-\x1f\x85\ufeff]+$/g;
// biome-ignore lint/suspicious/noControlCharactersInRegex: the database can't hold it.
const NUL = /\x00/g;
// Half a character, as a cut-off paste leaves it: UTF-8 has no form for it.
const HALF_CHARACTER = /\p{Surrogate}/gu;

/** The note as it is sent. */
export function noteAsSent(note: string): string {
  return note.replace(NUL, "").replace(HALF_CHARACTER, "\ufffd").replace(BLANK_ENDS, "");
}

/** Whether the user has begun something that would be lost. */
export function isDirty(draft: Draft): boolean {
  return noteAsSent(draft.note) !== "" || draft.proceed !== null || draft.tasking !== null;
}

/** What Proceed is preset to. Blue says that the system can't tell: nobody can agree with that. */
export function presetOf(proceed: ProceedIndicator): AssertedProceed | null {
  return proceed === "blue" ? null : proceed;
}

/** The draft with what the user changed. */
export function changed(draft: Draft, change: Partial<Chosen>, showing: Answered): Draft {
  const next = { ...draft, ...change };
  if (!isDirty(next)) return { ...next, begunOn: null };
  return isDirty(draft) ? next : { ...next, begunOn: showing.responseId };
}

/** Whether the draft, as an answer to what was answered then, still says what was tried. */
export function isTried(draft: Draft, mayOverride: boolean): draft is Draft & { attempt: Attempt } {
  const { attempt } = draft;
  return attempt !== null && isSame(attempt.content, contentOf(draft, attempt.answered, mayOverride));
}

function isSame(one: Content, other: Content): boolean {
  return (
    one.note_text === other.note_text &&
    one.override_proceed === other.override_proceed &&
    one.override_tasking === other.override_tasking &&
    one.system_response_id === other.system_response_id
  );
}

/**
 * The response that a Send of this draft answers: the newest that the user had time to see (`seen`).
 *
 * While a tried Send's fate is unknown it stays the one that was answered then: the same key has to bring the
 * same words, or one Send could become two submissions. The API keeps an answer to an earlier response and
 * calls it `superseded`, so nothing is lost by answering what was really on the screen, and nobody is put down
 * as having acknowledged what they never saw.
 */
export function answeredBy(draft: Draft, seen: Answered, mayOverride: boolean): Answered {
  return isTried(draft, mayOverride) ? draft.attempt.answered : seen;
}

/** What Send would say now. A role that may only confirm asserts what the system shows. */
export function contentOf(draft: Draft, answered: Answered, mayOverride: boolean): Content {
  const preset = presetOf(answered.proceed);
  return {
    note_text: noteAsSent(draft.note),
    override_proceed: mayOverride ? (draft.proceed ?? preset) : preset,
    override_tasking: mayOverride ? draft.tasking : null,
    system_response_id: answered.responseId,
  };
}

/** What a Send still lacks, in the order of the form; nothing: it may be sent. */
export function lacksOf(content: Content): Lack[] {
  const lacks: Lack[] = [];
  if (content.system_response_id === null) lacks.push("nothing_to_answer");
  if (content.note_text === "") lacks.push("note_missing");
  if ([...content.note_text].length > NOTE_LIMIT) lacks.push("note_too_long");
  if (content.override_proceed === null && content.override_tasking === null) lacks.push("nothing_asserted");
  return lacks;
}

/** What is tried when `content` is sent: the same Send with its key, or a new one when anything changed. */
export function tried(draft: Draft, content: Content, answered: Answered, newKey: () => string): Attempt {
  const { attempt } = draft;
  if (attempt !== null && isSame(attempt.content, content)) return attempt;
  return { key: newKey(), content, answered };
}

/** Whether the system has said something newer since the draft was begun. */
export function isSuperseded(draft: Draft, showing: Answered): boolean {
  return isDirty(draft) && draft.begunOn !== null && draft.begunOn !== showing.responseId;
}
