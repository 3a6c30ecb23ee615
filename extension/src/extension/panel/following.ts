// Which patient the panel shows: the one of the tab beside it.
import type { Asked, Shown } from "../store";
import { read } from "../store";

export interface Follower {
  /** The tab beside shows somebody else, or nobody. */
  shows(patientKey: string | null): void;
  /** Somebody pressed Mini's way to Sidecar. */
  isAskedFor(patientKey: string): void;
}

const JUST_NOW_MS = 10_000;

/** `tabId`: of the one tab to follow; without it, the active tab of this window. */
export async function follow(follower: Follower, tabId?: number): Promise<void> {
  const windowId = await windowOf(tabId);
  let followed = tabId ?? (await activeTab());

  const showTab = async () => {
    const own = followed;
    const shown = own === undefined ? undefined : await read(`shown:${own}`);
    if (own === followed) follower.shows(shown?.patientKey ?? null);
  };
  const isAsked = (asked: Asked | undefined) => {
    if (asked?.patientKey && Date.now() - asked.at < JUST_NOW_MS) follower.isAskedFor(asked.patientKey);
  };

  chrome.storage.session.onChanged.addListener((changes) => {
    const shown = followed === undefined ? undefined : changes[`shown:${followed}`];
    if (shown) follower.shows((shown.newValue as Shown | undefined)?.patientKey ?? null);
    isAsked(changes[`asked:${windowId}`]?.newValue as Asked | undefined);
  });
  if (tabId === undefined) {
    chrome.tabs.onActivated.addListener((active) => {
      if (active.windowId !== windowId) return;
      followed = active.tabId;
      void showTab();
    });
  }
  await showTab();
  isAsked(await read(`asked:${windowId}`));
}

async function windowOf(tabId: number | undefined): Promise<number> {
  const own = (await chrome.windows.getCurrent()).id ?? chrome.windows.WINDOW_ID_CURRENT;
  if (tabId === undefined) return own;
  return chrome.tabs.get(tabId).then(
    (tab) => tab.windowId,
    () => own,
  );
}

async function activeTab(): Promise<number | undefined> {
  return (await chrome.tabs.query({ active: true, currentWindow: true }))[0]?.id;
}
