// A draft as it was read back. Storage is not to be trusted: an older version of us may have written it.
import type { AssertedProceed, AssertedTasking, ProceedIndicator } from "../api/types";
import type { Answered, Attempt, Chosen, Content, Draft } from "./draft";

type Fields = Record<string, unknown>;

const PROCEED: Record<AssertedProceed, true> = { green: true, yellow: true, grey: true };
const INDICATORS: Record<ProceedIndicator, true> = { ...PROCEED, blue: true };
const TASKING: Record<AssertedTasking, true> = { none: true, review: true, act: true };

const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === "string";

function isOneOf<T extends string>(known: Record<T, true>, value: unknown): value is T {
  return typeof value === "string" && Object.hasOwn(known, value);
}

function isChosen(value: unknown): value is Chosen {
  return (
    isFields(value) &&
    typeof value.note === "string" &&
    (value.proceed === null || isOneOf(PROCEED, value.proceed)) &&
    (value.tasking === null || isOneOf(TASKING, value.tasking))
  );
}

function isAnswered(value: unknown): value is Answered {
  return isFields(value) && isTextOrNull(value.responseId) && isOneOf(INDICATORS, value.proceed);
}

function isContent(value: unknown): value is Content {
  return (
    isFields(value) &&
    typeof value.note_text === "string" &&
    (value.override_proceed === null || isOneOf(PROCEED, value.override_proceed)) &&
    (value.override_tasking === null || isOneOf(TASKING, value.override_tasking)) &&
    isTextOrNull(value.system_response_id)
  );
}

function isAttempt(value: unknown): value is Attempt {
  return (
    isFields(value) && typeof value.key === "string" && isContent(value.content) && isAnswered(value.answered)
  );
}

/** The draft that was stored; null when it is none. */
export function draftFrom(stored: unknown): Draft | null {
  if (!isChosen(stored)) return null;
  const { begunOn, attempt } = stored as Chosen & Fields;
  if (!isTextOrNull(begunOn) || (attempt !== null && !isAttempt(attempt))) return null;
  const { note, proceed, tasking } = stored;
  return { note, proceed, tasking, begunOn, attempt };
}
