// The service worker: calls the API, knows who is signed in, has Mini shown where policy says. Chrome ends it
// whenever it likes and starts it again for the next event, so every listener is set at once, here.
import { answer } from "./answering";
import { beginAnew } from "./greeting";
import { type Envelope, isMessage } from "./messages";
import { register } from "./registration";
import { ownIdentity, readSender } from "./senders";
import { forget } from "./store";

chrome.runtime.onMessage.addListener((message: unknown, from, respond: (told: Envelope) => void) => {
  const sender = readSender(from, ownIdentity());
  if (!sender || !isMessage(message)) return false;
  // Chrome opens the panel only in the very moment of the click: not after anything was waited for.
  if (message.type === "open_sidecar" && sender.kind === "page") {
    chrome.sidePanel.open({ windowId: sender.windowId }).catch(() => {});
  }
  answer(message, sender).then(
    (value) => respond({ value: value ?? null }),
    () => respond({ value: undefined }),
  );
  return true;
});

chrome.permissions.onAdded.addListener(() => void register());
chrome.permissions.onRemoved.addListener(() => void register());
chrome.runtime.onStartup.addListener(() => void beginAnew().catch(() => {}));
chrome.runtime.onInstalled.addListener(() => {
  void chrome.sidePanel.setPanelBehavior({ openPanelOnActionClick: true });
  void beginAnew().catch(() => {});
});
chrome.tabs.onReplaced.addListener((_, tabId) => void forget(`shown:${tabId}`, `session:tab:${tabId}`));
chrome.tabs.onRemoved.addListener((tabId) => void forget(`shown:${tabId}`, `session:tab:${tabId}`));
