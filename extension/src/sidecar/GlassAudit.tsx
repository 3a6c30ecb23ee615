import { useEffect, useRef, useState } from "preact/hooks";
import type { ApiProblem } from "../api/problem";
import type { AnswerOf } from "../api/types";
import { absoluteTime } from "../look/times";
import { When } from "../look/When";
import type { Surroundings } from "../ports";
import { problemOf } from "./problems";
import { Sheet } from "./Sheet";
import { glassReasonWords, inWords, surfaceWord } from "./words";

type Entry = AnswerOf<"sidecar/break-glass/list">["entries"][number];

interface Props {
  surroundings: Surroundings;
  opened: ReadonlyMap<string, string>;
  now: number;
  /** Missing for a role that may not open patients. */
  onOpen?: ((patientKey: string) => void) | undefined;
  onClose(): void;
}

interface Pages {
  entries: readonly Entry[];
  cursor: string | null;
  isLoading: boolean;
  problem: ApiProblem | null;
}

/** Who has broken the glass in this tenant, for its auditors. */
export function GlassAudit({ surroundings, opened, now, onOpen, onClose }: Props) {
  const [pages, setPages] = useState<Pages>({ entries: [], cursor: null, isLoading: true, problem: null });
  const isGone = useRef(false);

  const load = async (known: readonly Entry[], cursor: string | null) => {
    setPages({ entries: known, cursor, isLoading: true, problem: null });
    try {
      const body = { session_id: surroundings.sessionId, limit: 20, cursor };
      const page = await surroundings.api.call("sidecar/break-glass/list", body);
      if (isGone.current) return;
      const entries = [...known, ...page.entries];
      setPages({ entries, cursor: page.next_cursor, isLoading: false, problem: null });
    } catch (error) {
      if (!isGone.current) setPages({ entries: known, cursor, isLoading: false, problem: problemOf(error) });
    }
  };

  useEffect(() => {
    isGone.current = false;
    void load([], null);
    return () => {
      isGone.current = true;
    };
  }, []);

  const { entries, cursor, isLoading, problem } = pages;
  return (
    <Sheet title="Who broke the glass" onClose={onClose}>
      {entries.length === 0 && !isLoading && !problem && (
        <p class="quiet">Nobody has broken the glass here.</p>
      )}
      <ul class="audit">
        {entries.map((entry) => (
          <li key={entry.break_glass_id}>
            <p class="event-line">
              <span>
                <b dir="auto">{entry.user.display_name}</b>{" "}
                <span class="quiet">{inWords(entry.user.role)}</span>
              </span>
              <span class="quiet small">
                <When at={Date.parse(entry.created_at)} now={now} />
              </span>
            </p>
            <p class="small">
              {glassReasonWords(entry.reason)} · in {surfaceWord(entry.surface)} · {until(entry, now)}
            </p>
            <blockquote class="note" dir="auto">
              {entry.explanation}
            </blockquote>
            {onOpen && (
              <button type="button" class="plain small" onClick={() => onOpen(entry.patient_key)}>
                Open {opened.get(entry.patient_key) ?? "the patient"}
              </button>
            )}
          </li>
        ))}
      </ul>
      {isLoading && <p class="quiet">Loading…</p>}
      {problem && (
        <p class="problem" role="alert">
          {problem.message}{" "}
          <button type="button" class="plain" onClick={() => void load(entries, cursor)}>
            Try again
          </button>
        </p>
      )}
      {cursor !== null && !isLoading && !problem && (
        <button type="button" class="plain more" onClick={() => void load(entries, cursor)}>
          Show older
        </button>
      )}
    </Sheet>
  );
}

function until(entry: Entry, now: number): string {
  const end = Date.parse(entry.expires_at);
  return `${end > now ? "open until" : "closed"} ${absoluteTime(end)}`;
}
