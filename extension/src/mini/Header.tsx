import { Indicator } from "../look/Indicator";
import { glanceOf } from "./glance";
import { CloseIcon, MinimizeIcon, UnfoldIcon } from "./icons";
import { nextCorner, type Place } from "./place";
import type { usePlace } from "./usePlace";
import type { MiniView } from "./view";

interface Props {
  view: MiniView;
  moving: ReturnType<typeof usePlace>;
  place: Place;
  move(place: Place): void;
  /** Where there is something to fold. */
  folding: { folded: boolean; toggle(): void } | null;
  onMinimize(): void;
  onClose(): void;
}

/** The one glance, and what moves, folds and closes Mini. It is what Mini is dragged by. */
export function Header({ view, moving, place, move, folding, onMinimize, onClose }: Props) {
  const { proceed, word, text } = glanceOf(view);
  const folded = folding?.folded && view.kind === "patient" ? view : null;
  const name = folded && (folded.shown.name ?? folded.shown.idMasked);
  const picked = folded?.picked ? " · picked by hand" : "";
  return (
    <div class="head" {...moving.grip}>
      <button
        type="button"
        class="move"
        data-grip
        aria-label="Move: arrow keys move it, a press takes it to the next corner"
        title="Drag to move; press for the next corner"
        onKeyDown={moving.onKeyDown}
        onClick={() => {
          if (!moving.wasDragged()) move(nextCorner(place));
        }}
      />
      <Indicator proceed={proceed} size={16} />
      <h2
        class={name === null ? "glance" : "glance cut"}
        title={name === null ? undefined : `${name}${picked}: ${text}`}
      >
        <b class={`is-${proceed}`}>{word}</b> {name === null ? text : <bdi>{name}</bdi>}
        {picked}
      </h2>
      <div class="buttons">
        {folding && (
          <button
            type="button"
            class="icon"
            aria-expanded={!folding.folded}
            aria-label={folding.folded ? "Show more" : "Show less"}
            title={folding.folded ? "Show more" : "Show less"}
            onClick={folding.toggle}
          >
            <UnfoldIcon open={!folding.folded} />
          </button>
        )}
        <button
          type="button"
          class="icon"
          data-fold
          aria-label="Minimize"
          title="Minimize (Esc)"
          onClick={onMinimize}
        >
          <MinimizeIcon />
        </button>
        <button
          type="button"
          class="icon"
          aria-label="Close until the next patient"
          title="Close until the next patient"
          onClick={onClose}
        >
          <CloseIcon />
        </button>
      </div>
    </div>
  );
}
