// Enumerated values as words that people read. Pure.
import { PROCEED_WORDS, TASKING_WORDS } from "../look/words";

/** `financial_counselor` → `financial counselor`; an unknown value stays readable, too. */
export const inWords = (value: unknown): string => String(value ?? "").replace(/[_.]+/g, " ");

export const capitalized = (words: string): string => words.charAt(0).toUpperCase() + words.slice(1);

const known = (words: Record<string, string>, value: unknown): string =>
  words[String(value)] ?? capitalized(inWords(value));

/** `yellow` → `Yellow`. */
export const proceedWord = (proceed: unknown): string => known(PROCEED_WORDS, proceed);

/** What somebody asserted: `Proceed Green and tasking Review`. */
export function assertedWords(proceed: unknown, tasking: unknown): string {
  const parts = [
    proceed ? `Proceed ${proceedWord(proceed)}` : "",
    tasking ? `tasking ${known(TASKING_WORDS, tasking)}` : "",
  ];
  return parts.filter(Boolean).join(" and ");
}

const DISMISS: Record<string, string> = {
  not_applicable: "Does not apply to this visit",
  already_handled: "Already handled",
  not_now: "Not now",
  wrong_patient: "Wrong patient",
  other: "Another reason",
};

export const dismissReasonWords = (reason: unknown): string => known(DISMISS, reason);

const GLASS: Record<string, string> = {
  emergency: "Emergency",
  covering: "Covering for somebody",
  patient_request: "The patient asked for it",
  supervision: "Supervision",
  other: "Another reason",
};

export const glassReasonWords = (reason: unknown): string => known(GLASS, reason);

const SURFACES: Record<string, string> = { mini: "Mini", sidecar: "Sidecar", system: "the background" };

export const surfaceWord = (surface: unknown): string => known(SURFACES, surface);

/** `1 task`, `3 tasks`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
