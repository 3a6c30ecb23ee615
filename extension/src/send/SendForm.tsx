// The note, the asserted values and Send, with everything about drafts: for Mini and Sidecar alike. Wants
// look/tokens.css and send/send.css in its root.
import { useEffect, useId, useMemo, useRef, useState } from "preact/hooks";
import type { Config } from "../api/types";
import { useNow } from "../look/useNow";
import { useStore } from "../look/useStore";
import { useVisible } from "../look/useVisible";
import type { Shown } from "../patient/shown";
import type { Surroundings } from "../ports";
import { AckLine } from "./AckLine";
import { AssertedValues } from "./AssertedValues";
import { answeredBy, contentOf, isDirty, isSuperseded, lacksOf } from "./draft";
import { News } from "./News";
import { Note } from "./Note";
import { type Receipt, type SendingSurface, senderOf } from "./sender";
import { CONFIRM_ONLY, hintAt, LACKS } from "./sentences";
import { spokenOf } from "./spoken";
import { useSeen } from "./useSeen";

export interface SendFormProps {
  surface: SendingSurface;
  surroundings: Surroundings;
  config: Config;
  shown: Shown;
  /** A Send was stored. */
  onSent?: (receipt: Receipt) => void;
  /** Whether something is begun that isn't sent. */
  onDirty?: (dirty: boolean) => void;
  /** In Mini's width: fewer lines. */
  compact?: boolean;
  /** Whether it can be seen while its tab shows: not in a minimized Mini. */
  onScreen?: boolean;
}

/** Each patient has a form of their own: what one holds never shows beside another's name. */
export function SendForm(props: SendFormProps) {
  return <PatientForm key={`${props.config.user.user_id}:${props.shown.patientKey}`} {...props} />;
}

function PatientForm(props: SendFormProps) {
  const { surface, surroundings, config, shown, onSent, onDirty, compact, onScreen = true } = props;
  const { patientKey } = shown;
  const id = useId();
  const form = useRef<HTMLFormElement>(null);
  const now = useNow(useMemo(() => () => surroundings.now(), [surroundings]));
  const sender = useMemo(
    () => senderOf({ surface, surroundings, config, patientKey }),
    [surface, surroundings, config.user.user_id, patientKey],
  );
  const { draft, sending, refusal, receipt } = useStore(sender);
  const dirty = isDirty(draft);
  useEffect(() => {
    onDirty?.(dirty);
    return () => onDirty?.(false);
  }, [dirty, onDirty]);
  // Somebody else's Send is spoken when it comes, not when it was there already.
  const firstAck = useRef(shown.submission?.when);
  const { submission } = shown;
  const isNewAck = submission?.when !== firstAck.current && submission?.who !== config.user.display_name;
  const showing = { responseId: shown.responseId, proceed: shown.proceed };
  const mayOverride = config.permissions.override;
  const seen = useSeen(showing, dirty, useVisible() && onScreen);
  const answered = answeredBy(draft, seen, mayOverride);
  const content = contentOf(draft, answered, mayOverride);
  const lacks = lacksOf(content);
  const sendable = lacks.length === 0 && !sending;
  const firstLack = lacks[0];
  const hint = hintAt(firstLack, mayOverride);
  const [isPressed, setPressed] = useState(false);
  // A note that is missing is said once somebody pressed Send without it, not before.
  const noteLack = firstLack === "note_too_long" || (firstLack === "note_missing" && isPressed);

  const send = async () => {
    setPressed(firstLack === "note_missing");
    if (firstLack === "note_missing" || firstLack === "note_too_long")
      form.current?.querySelector("textarea")?.focus();
    const stored = await sender.send(content, answered);
    if (stored) onSent?.(stored);
  };
  // Where the API refused a field, there the typing goes on.
  useEffect(() => {
    if (refusal && !refusal.passing) form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus();
  }, [refusal]);

  return (
    <form
      ref={form}
      class={compact ? "send is-compact" : "send"}
      aria-label={surface === "mini" ? "Send from Mini" : "Send from Sidecar"}
      aria-busy={sending}
      onSubmit={(event) => {
        event.preventDefault();
        void send();
      }}
      onKeyDown={(event) => {
        if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || event.isComposing) return;
        event.preventDefault();
        void send();
      }}
    >
      <AckLine submission={shown.submission} receipt={receipt} now={now} />
      {isSuperseded(draft, showing) && <News shown={shown} now={now} />}
      <Note
        id={`${id}-note`}
        value={draft.note}
        readOnly={sending}
        problem={refusal?.fields.note ?? (noteLack ? LACKS[firstLack] : undefined)}
        rows={compact ? 2 : 3}
        onChange={(note) => sender.change({ note }, showing)}
      />
      <div class="send-row">
        <AssertedValues
          id={id}
          content={content}
          answered={answered}
          mayOverride={mayOverride}
          problems={refusal?.fields ?? {}}
          onChange={(change) => sender.change(change, showing)}
        />
        <button
          type="submit"
          class="main"
          aria-disabled={!sendable}
          aria-keyshortcuts="Control+Enter Meta+Enter"
          title={firstLack && !sending ? (hint ?? LACKS[firstLack]) : undefined}
        >
          {sending ? "Sending…" : "Send"}
        </button>
      </div>
      {!mayOverride && (
        <p class="send-hint" id={`${id}-confirm-only`}>
          {CONFIRM_ONLY}
        </p>
      )}
      {dirty && hint !== null && <p class="send-hint">{hint}</p>}
      {refusal?.sentence && <p class={refusal.passing ? "send-kept" : "problem"}>{refusal.sentence}</p>}
      <p class="spoken" role="status">
        {spokenOf({ sending, refusal, receipt, superseded: isSuperseded(draft, showing), shown, isNewAck })}
      </p>
    </form>
  );
}
