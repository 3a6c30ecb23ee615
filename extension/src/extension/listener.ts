// The offscreen document, in which the listeners live: a service worker is ended too soon for them.
const PAGE = "offscreen.html";

let turn: Promise<unknown> = Promise.resolve();

/** There is one after this; asked for many times at once, one is made. */
export function ensureListener(): Promise<void> {
  return inTurn(async () => {
    if (await exists()) return;
    await chrome.offscreen.createDocument({
      url: PAGE,
      // None of Chrome's reasons says "hold a connection"; Firestore needs XMLHttpRequest, as parsers need a DOM.
      reasons: [chrome.offscreen.Reason.DOM_PARSER],
      justification: "Listens to the patients that are on screen, in every tab, over one connection.",
    });
  });
}

/** Whatever it heard goes with it. */
export function endListener(): Promise<void> {
  return inTurn(async () => {
    if (await exists()) await chrome.offscreen.closeDocument();
  });
}

async function exists(): Promise<boolean> {
  const found = await chrome.runtime.getContexts({
    contextTypes: [chrome.runtime.ContextType.OFFSCREEN_DOCUMENT],
  });
  return found.length > 0;
}

function inTurn(act: () => Promise<void>): Promise<void> {
  const done = turn.then(act);
  turn = done.catch(() => {});
  return done;
}
