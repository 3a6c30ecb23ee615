import { Indicator } from "../look/Indicator";
import { glanceOf } from "./glance";
import type { usePlace } from "./usePlace";
import type { MiniView } from "./view";

interface Props {
  view: MiniView;
  /** Something is begun and not sent. */
  draft: boolean;
  moving: ReturnType<typeof usePlace>;
  onOpen(): void;
}

/** The minimized Mini: the indicator, and nothing of the patient. */
export function Dot({ view, draft, moving, onOpen }: Props) {
  const { proceed, word, text } = glanceOf(view);
  const label = `Open Mobius. ${word}${text && `: ${text}`}.${draft ? " A draft is kept." : ""}`;
  return (
    <button
      type="button"
      class={`dot is-${proceed}`}
      data-fold
      data-grip
      aria-label={label}
      title={label}
      {...moving.grip}
      onKeyDown={moving.onKeyDown}
      onClick={() => {
        // Who drags it lets go of it, and that is a click, too.
        if (!moving.wasDragged()) onOpen();
      }}
    >
      <Indicator proceed={proceed} size={20} />
      {draft && <span class="has-draft" />}
    </button>
  );
}
