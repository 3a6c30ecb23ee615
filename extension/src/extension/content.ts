// Mini in a page: runs where policy names the site, in the top frame.
import { isAlive, isNudge } from "./messages";
import { type MiniInPage, miniInPage } from "./mini_in_page";

/** In the world of the extension's scripts, which the page's own scripts don't see. */
const here = globalThis as { mobiusMini?: { isAlive(): boolean; end(): void } };

/** A page may be prepared before anybody looks at it, and never be looked at. */
function whenShown(act: () => void): void {
  const { prerendering } = document as Document & { prerendering?: boolean };
  if (prerendering) document.addEventListener("prerenderingchange", act, { once: true });
  else act();
}

/** The local stack's demo page draws its own Mini: two would be one too many. */
const isDemo = (): boolean =>
  /^(127\.0\.0\.1|localhost|\[::1\])$/.test(location.hostname) &&
  document.documentElement.dataset.mobius === "demo";

function begin(): void {
  if (isDemo()) return;
  if (here.mobiusMini?.isAlive()) return;
  here.mobiusMini?.end();
  const mini: MiniInPage = miniInPage();
  const onMessage = (message: unknown) => {
    if (isNudge(message)) void mini.refresh();
  };
  chrome.runtime.onMessage.addListener(onMessage);
  here.mobiusMini = {
    isAlive,
    end() {
      mini.end();
      if (isAlive()) chrome.runtime.onMessage.removeListener(onMessage);
    },
  };
}

whenShown(begin);
