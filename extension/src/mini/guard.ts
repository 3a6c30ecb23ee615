// Keeps Mini and the host page apart: no style of the page's reaches it, no event of ours reaches the page.

// Inline and important: of what a page can write, nothing wins over it. The host is as large as the window, to
// say what Mini may move about in, and lets every click through.
const HOST_STYLE: Record<string, string> = {
  all: "initial",
  display: "block",
  position: "fixed",
  inset: "0",
  width: "auto",
  height: "auto",
  "min-width": "0",
  "max-width": "none",
  "min-height": "0",
  "max-height": "none",
  margin: "0",
  padding: "0",
  border: "0",
  overflow: "visible",
  visibility: "visible",
  opacity: "1",
  transform: "none",
  filter: "none",
  "clip-path": "none",
  contain: "none",
  "pointer-events": "none",
  "z-index": "2147483647",
};

// The page's shortcuts must not fire while somebody types here, its focus traps not pull the focus away, its
// "clicked elsewhere" not close what is open.
const EVENTS = [
  ...["keydown", "keypress", "keyup", "beforeinput", "input", "change", "submit"],
  ...["copy", "cut", "paste", "compositionstart", "compositionupdate", "compositionend"],
  ...["focusin", "focusout", "contextmenu", "click", "dblclick", "auxclick", "mousedown", "mouseup", "wheel"],
  ...["pointerdown", "pointerup", "touchstart", "touchmove", "touchend", "dragstart", "dragover", "drop"],
] as const;

const stop = (event: Event): void => event.stopPropagation();

/** Guards `host`; the answer ends it. */
export function guard(host: HTMLElement): () => void {
  for (const [name, value] of Object.entries(HOST_STYLE)) host.style.setProperty(name, value, "important");
  for (const name of EVENTS) host.addEventListener(name, stop, { passive: true });
  return () => {
    for (const name of EVENTS) host.removeEventListener(name, stop);
  };
}
