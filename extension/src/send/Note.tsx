interface Props {
  id: string;
  value: string;
  readOnly: boolean;
  problem: string | undefined;
  rows: number;
  onChange(note: string): void;
}

/** The note of a Send. It holds PHI: nothing may complete, check or remember it elsewhere. */
export function Note({ id, value, readOnly, problem, rows, onChange }: Props) {
  return (
    <div class="send-field">
      <label class="spoken" for={id}>
        Note
      </label>
      <textarea
        id={id}
        value={value}
        rows={rows}
        dir="auto"
        placeholder="Note…"
        autocomplete="off"
        readOnly={readOnly}
        aria-required="true"
        aria-invalid={problem !== undefined}
        aria-describedby={problem === undefined ? undefined : `${id}-problem`}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      {problem !== undefined && (
        <p class="problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}
