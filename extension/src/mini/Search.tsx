import { useEffect, useId, useState } from "preact/hooks";
import type { Surroundings } from "../ports";
import { useSearch } from "./useSearch";

interface Props {
  surroundings: Surroundings;
  /** Whether the caret goes there at once: when somebody asked for it. */
  focused?: boolean;
  onPick(patientKey: string): void;
}

/** Finds a patient by hand: type, arrow keys, Enter. */
export function Search({ surroundings, focused = false, onPick }: Props) {
  const id = useId();
  const [query, setQuery] = useState("");
  const [active, setActive] = useState(0);
  const { results, stale, says } = useSearch(surroundings, query);
  useEffect(() => setActive(0), [results]);
  const chosen = stale ? undefined : results[active];

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "Enter" && chosen) onPick(chosen.id);
    else if (event.key === "ArrowDown") setActive((active + 1) % Math.max(results.length, 1));
    else if (event.key === "ArrowUp") setActive((active + results.length - 1) % Math.max(results.length, 1));
    else if (event.key === "Escape" && query !== "") {
      // Escape takes back one thing at a time: first what was typed, then it minimizes.
      event.stopPropagation();
      setQuery("");
    } else return;
    event.preventDefault();
  };

  return (
    <div class="search">
      <label class="spoken" for={id}>
        Find a patient
      </label>
      <input
        id={id}
        ref={(input) => {
          if (focused && input && !input.dataset.met) {
            input.dataset.met = "yes";
            input.focus({ preventScroll: true });
          }
        }}
        type="text"
        role="combobox"
        dir="auto"
        autocomplete="off"
        spellcheck={false}
        placeholder="Find by name or record number…"
        value={query}
        maxLength={100}
        aria-autocomplete="list"
        aria-expanded={results.length > 0}
        aria-controls={`${id}-list`}
        aria-activedescendant={chosen && `${id}-${active}`}
        onInput={(event) => setQuery(event.currentTarget.value)}
        onKeyDown={onKeyDown}
      />
      <div
        class="found"
        id={`${id}-list`}
        role="listbox"
        aria-label="Patients"
        aria-busy={stale}
        hidden={results.length === 0}
      >
        {results.map(({ id: patientKey, name, id_masked }, index) => (
          // The keys are in the input's hands, as a combo box has it.
          // biome-ignore lint/a11y/useKeyWithClickEvents: see above.
          <div
            key={patientKey}
            id={`${id}-${index}`}
            class="hit"
            role="option"
            tabIndex={-1}
            aria-selected={!stale && index === active}
            aria-disabled={stale}
            onPointerMove={() => setActive(index)}
            onPointerDown={(event) => event.preventDefault()}
            onClick={() => stale || onPick(patientKey)}
          >
            <bdi class="cut" title={name ?? undefined}>
              {name ?? "Name hidden"}
            </bdi>
            <span class="quiet">{id_masked}</span>
          </div>
        ))}
      </div>
      <p class="search-says" role="status">
        {says}
      </p>
    </div>
  );
}
