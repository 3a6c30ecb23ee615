// Who sends a message: what each part of the extension may ask for hangs on it. Pure.
export type Sender =
  /** A content script; `site` is the host name that the browser itself says, whatever the script says. */
  { kind: "page"; tabId: number; windowId: number; site: string } | { kind: "panel" } | { kind: "offscreen" };

type Told = Pick<chrome.runtime.MessageSender, "id" | "url" | "frameId" | "tab">;

/** null for whoever may ask for nothing: another extension, a frame inside of a page, another page of ours. */
export function readSender(told: Told, own: { id: string; base: string }): Sender | null {
  if (told.id !== own.id || !told.url || !URL.canParse(told.url)) return null;
  const url = new URL(told.url);
  if (url.href.startsWith(own.base)) return ownPage(url.pathname);
  if (!/^https?:$/.test(url.protocol) || told.frameId !== 0 || told.tab?.id === undefined) return null;
  return { kind: "page", tabId: told.tab.id, windowId: told.tab.windowId, site: url.hostname };
}

function ownPage(path: string): Sender | null {
  if (path === "/panel.html") return { kind: "panel" };
  return path === "/offscreen.html" ? { kind: "offscreen" } : null;
}

export const ownIdentity = () => ({ id: chrome.runtime.id, base: chrome.runtime.getURL("") });
