import { useEffect, useRef, useState } from "preact/hooks";
import type { Shown } from "../patient/shown";
import { proceedWord } from "./words";

interface Props {
  /** null: there is no patient to speak of. */
  shown: Shown | null;
  /** While somebody writes, the Send form speaks of what changed. */
  isQuiet: boolean;
  /** What was just done, as a sentence. */
  said: string;
  /** Why what shows may not be the newest; null: it is. */
  trouble: string | null;
}

/** Speaks to a screen reader: a patient when they come, a change once, and what was done. */
export function Announcer({ shown, isQuiet, said, trouble }: Props) {
  const before = useRef<{ patientKey: string; words: string } | null>(null);
  const [text, setText] = useState("");
  const words = shown && `${proceedWord(shown.proceed)}. ${shown.proceedText}. ${shown.tasking}`;

  useEffect(() => {
    const last = before.current;
    before.current = shown && words ? { patientKey: shown.patientKey, words } : null;
    if (!shown || !words || last?.words === words) return;
    if (last?.patientKey !== shown.patientKey) setText(`${shown.name ?? "Patient"}. ${words}`);
    else if (!isQuiet) setText(`Changed: ${words}`);
  }, [shown?.patientKey, words]);
  useEffect(() => {
    if (said) setText(said);
  }, [said]);

  const had = useRef<string | null>(null);
  useEffect(() => {
    if (trouble !== had.current) setText(trouble ?? "Live again.");
    had.current = trouble;
  }, [trouble]);

  return (
    <p class="spoken" role="status">
      {text}
    </p>
  );
}
