import type { RefObject } from "preact";
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { kept, type Place, placeAt } from "./place";

const STEP = 16;
const ARROWS: Record<string, readonly [number, number]> = {
  ArrowLeft: [-STEP, 0],
  ArrowRight: [STEP, 0],
  ArrowUp: [0, -STEP],
  ArrowDown: [0, STEP],
};

/** What it may move about in: the host, which is as large as the window. */
function frameOf(panel: HTMLElement): Element {
  const root = panel.getRootNode();
  return root instanceof ShadowRoot ? root.host : document.documentElement;
}

/** Moves what `ref` holds: by dragging, by arrow keys; it stays inside the window, also when that changes. */
export function usePlace(ref: RefObject<HTMLElement>, place: Place, move: (place: Place) => void) {
  const [, resized] = useState(0);
  const grip = useRef<{ dx: number; dy: number; fromX: number; fromY: number } | null>(null);
  const dragged = useRef(false);

  useEffect(() => {
    if (!ref.current) return;
    const observer = new ResizeObserver(() => resized((count) => count + 1));
    observer.observe(frameOf(ref.current));
    // What grows while somebody writes must not grow out of the window.
    observer.observe(ref.current);
    return () => observer.disconnect();
  }, [ref]);

  // Where it is to stand is kept; where it stands gives way to a window that is too small for that.
  useLayoutEffect(() => {
    const panel = ref.current;
    if (!panel) return;
    const { side, edge, x, y } = kept(
      place,
      panel.getBoundingClientRect(),
      frameOf(panel).getBoundingClientRect(),
    );
    const { style } = panel;
    style.left = style.right = style.top = style.bottom = "auto";
    style[side] = `${x}px`;
    style[edge] = `${y}px`;
  });

  const moveTo = useCallback(
    (left: number, top: number) => {
      const panel = ref.current;
      if (!panel) return;
      const frame = frameOf(panel).getBoundingClientRect();
      move(placeAt(left - frame.left, top - frame.top, panel.getBoundingClientRect(), frame));
    },
    [ref, move],
  );

  const onPointerDown = (event: PointerEvent) => {
    const panel = ref.current;
    const { target } = event;
    if (event.button !== 0 || !panel) return;
    const pressed = target instanceof Element ? target.closest("button, select, a, input") : null;
    if (pressed && !pressed.hasAttribute("data-grip")) return;
    const { left, top } = panel.getBoundingClientRect();
    const { clientX: fromX, clientY: fromY } = event;
    grip.current = { dx: fromX - left, dy: fromY - top, fromX, fromY };
    dragged.current = false;
    // By what was pressed, so that a mere press still is a click on it.
    if (target instanceof Element) (pressed ?? target).setPointerCapture(event.pointerId);
  };
  const onPointerMove = (event: PointerEvent) => {
    const held = grip.current;
    if (!held) return;
    const { clientX: x, clientY: y } = event;
    // A hand that presses trembles.
    if (!dragged.current && Math.hypot(x - held.fromX, y - held.fromY) < 4) return;
    dragged.current = true;
    moveTo(x - held.dx, y - held.dy);
  };
  const letGo = () => {
    grip.current = null;
    // The click that ends the drag comes first.
    setTimeout(() => {
      dragged.current = false;
    });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = ARROWS[event.key];
    const panel = ref.current;
    if (!step || !panel) return;
    event.preventDefault();
    event.stopPropagation();
    const { left, top } = panel.getBoundingClientRect();
    moveTo(left + step[0], top + step[1]);
  };

  return {
    /** For what is dragged by. */
    grip: { onPointerDown, onPointerMove, onPointerUp: letGo, onPointerCancel: letGo },
    /** For the handle that the arrow keys move. */
    onKeyDown,
    /** Whether the press that just ended has moved it. */
    wasDragged: () => dragged.current,
  };
}
