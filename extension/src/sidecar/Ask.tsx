import { useEffect, useRef, useState } from "preact/hooks";
import type { Shown } from "../patient/shown";
import { type Chat, LONGEST_QUESTION, paragraphs, type Source, type Turn } from "./chat";
import { Section } from "./Section";
import { useStore } from "./store";
import { proceedWord } from "./words";

/** Questions about this patient's state, answered from it alone. */
export function Ask({ chat, shown }: { chat: Chat; shown: Shown }) {
  const { turns, isAsking } = useStore(chat.store);
  const [question, setQuestion] = useState("");
  const log = useRef<HTMLDivElement>(null);
  const form = useRef<HTMLFormElement>(null);
  const drawn = useRef(turns);
  useEffect(() => {
    log.current?.scrollTo({ top: log.current.scrollHeight });
    // Not for what was asked at an earlier visit of this patient.
    if (turns !== drawn.current) form.current?.scrollIntoView({ block: "nearest" });
    drawn.current = turns;
  }, [turns]);
  const ask = (asked: string) => {
    if (isAsking || asked.trim() === "") return;
    void chat.ask(asked);
    setQuestion("");
  };
  const suggestions = [
    `Why ${proceedWord(shown.proceed).toLowerCase()}?`,
    "What is open?",
    "Who acknowledged?",
    "What changed?",
  ];
  return (
    <Section place="ask" title="Ask">
      <div ref={log} class="talk" role="log" aria-label="Questions and answers" hidden={turns.length === 0}>
        {turns.map((turn, place) => (
          <TurnView key={place} turn={turn} onAgain={() => ask(turn.question)} />
        ))}
      </div>
      <div class="chips">
        {suggestions.map((each) => (
          <button key={each} type="button" class="chip" aria-disabled={isAsking} onClick={() => ask(each)}>
            {each}
          </button>
        ))}
      </div>
      <form
        ref={form}
        class="ask"
        onSubmit={(event) => {
          event.preventDefault();
          ask(question);
        }}
      >
        <input
          type="text"
          aria-label="Ask about this patient’s state"
          placeholder="Ask about this patient’s state…"
          autocomplete="off"
          maxLength={LONGEST_QUESTION}
          value={question}
          onInput={(event) => setQuestion(event.currentTarget.value)}
        />
        <button type="submit" class="second" aria-disabled={isAsking || question.trim() === ""}>
          {isAsking ? "Asking…" : "Ask"}
        </button>
      </form>
      <p class="quiet small">Answers come from what is shown here. Questions are not stored.</p>
    </Section>
  );
}

function TurnView({ turn, onAgain }: { turn: Turn; onAgain(): void }) {
  return (
    <div class="turn">
      <p class="question" dir="auto">
        <span class="spoken">You asked: </span>
        {turn.question}
      </p>
      {turn.answer === null && turn.problem === null && <p class="quiet">Looking it up…</p>}
      {turn.problem !== null && (
        <p class="problem">
          {turn.problem}{" "}
          <button type="button" class="plain" onClick={onAgain}>
            Ask again
          </button>
        </p>
      )}
      {turn.answer && <Reply reply={turn.answer.reply} sources={turn.answer.sources} />}
    </div>
  );
}

function Reply({ reply, sources }: { reply: string; sources: readonly Source[] }) {
  const parts = paragraphs(reply);
  return (
    <div class="reply">
      {parts.map((part) => (
        <div key={part.map((line) => line.text).join("\n")}>
          {part.map((line) => (
            <p key={line.text} class={line.isItem ? "listed" : undefined}>
              {line.text}
            </p>
          ))}
        </div>
      ))}
      {sources.length > 0 && (
        <details>
          <summary class="quiet small">
            Rests on {sources.length} {sources.length === 1 ? "source" : "sources"}
          </summary>
          <ul class="sources small quiet">
            {sources.map((source) => (
              <li key={`${source.kind} ${source.id} ${source.text}`}>{source.text}</li>
            ))}
          </ul>
        </details>
      )}
    </div>
  );
}
