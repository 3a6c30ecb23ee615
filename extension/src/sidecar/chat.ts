// The questions that were asked about one patient, and the answers. In memory only: the API keeps no text either.
import type { AnswerOf } from "../api/types";
import type { Surroundings } from "../ports";
import { problemOf } from "./problems";
import { createStore, type Store } from "./store";

export type Source = AnswerOf<"sidecar/chat/message">["sources"][number];

export interface Turn {
  question: string;
  answer: { reply: string; sources: readonly Source[] } | null;
  problem: string | null;
}

export interface Chat {
  readonly store: Store<{ turns: readonly Turn[]; isAsking: boolean }>;
  /** Does nothing while a question is under way. */
  ask(question: string): Promise<void>;
}

export const LONGEST_QUESTION = 1000;

export function createChat({ api, sessionId }: Surroundings, patientKey: string): Chat {
  const store: Chat["store"] = createStore({ turns: [], isAsking: false });
  return {
    store,
    async ask(question) {
      const message = question.trim();
      if (store.get().isAsking || message === "") return;
      const earlier = store.get().turns;
      const turn: Turn = { question: message, answer: null, problem: null };
      store.set({ turns: [...earlier, turn], isAsking: true });
      try {
        const body = { session_id: sessionId, patient_key: patientKey, message };
        const { reply, sources } = await api.call("sidecar/chat/message", body);
        store.set({ turns: [...earlier, { ...turn, answer: { reply, sources } }] });
      } catch (error) {
        store.set({ turns: [...earlier, { ...turn, problem: problemOf(error).message }] });
      } finally {
        store.set({ isAsking: false });
      }
    },
  };
}

export interface Block {
  text: string;
  isItem: boolean;
}

/** A reply as paragraphs, each of lines; a line that begins with "• " is an item of a list. */
export function paragraphs(reply: string): Block[][] {
  return reply
    .split(/\n{2,}/)
    .filter(Boolean)
    .map((part) =>
      part.split("\n").map((line) => ({ text: line.replace(/^• /, ""), isItem: line.startsWith("• ") })),
    );
}
