// One Mini for one page: comes and goes with the session and the policy, and leaves nothing behind.
import { mountMini } from "../mini/mount";
import { watchPage } from "../page/watch";
import type { Mounted, Session, Sighting, Surroundings } from "../ports";
import type { LiveClient } from "./live_client";
import { messageApi, messageDrafts, messageLive, placeMemory } from "./message_api";
import { ask, isAlive } from "./messages";

export interface MiniInPage {
  /** Asks again who is signed in and what policy says. */
  refresh(): Promise<void>;
  end(): void;
}

const TAG = "mobius-mini";
/** So often policy is asked for again while the page is looked at. */
const REFRESH_MS = 5 * 60_000;
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 60_000;
const ORPHAN_MS = 1_000;
/** Taken out of the document, Mini comes back after this, then ever later, so often at most; */
const PUT_BACK_MS = 20;
const MOST_PUT_BACK = 5;
/** what has stood for so long was not taken away for being foreign. */
const STANDS_MS = 30_000;

interface Drawn {
  host: HTMLElement;
  mounted: Mounted;
  live: LiveClient;
  userId: string | null;
  adapters: string;
  stopWatching: () => void;
}

export function miniInPage(): MiniInPage {
  let drawn: Drawn | null = null;
  let round = 0;
  let failures = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let orphanCheck: ReturnType<typeof setTimeout> | undefined;
  let putBackTimer: ReturnType<typeof setTimeout> | undefined;
  let putBack = 0;
  let putBackAt = 0;

  async function refresh(): Promise<void> {
    if (!isAlive()) {
      end();
      return;
    }
    round += 1;
    const own = round;
    clearTimeout(timer);
    const hello = await ask({ type: "hello" }).catch(() => null);
    if (own !== round) return;
    if (!hello) {
      if (isAlive()) later();
      else end();
      return;
    }
    become(hello.session, hello.sessionId, hello.signedIn?.userId ?? null);
    if (hello.session.state === "unreachable") {
      later();
    } else {
      failures = 0;
      timer = setTimeout(refreshWhenSeen, REFRESH_MS);
    }
  }

  function later(): void {
    timer = setTimeout(refresh, Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures));
    failures += 1;
  }

  function refreshWhenSeen(): void {
    if (document.visibilityState === "visible") void refresh();
    else document.addEventListener("visibilitychange", refreshWhenSeen, { once: true });
  }

  function become(session: Session, sessionId: string, userId: string | null): void {
    // Of another user nothing is taken over, not even in memory.
    if (drawn && userId !== null && drawn.userId !== userId) erase();
    const isHidden = session.state === "signed_in" && !session.config.policy.show_mini;
    // Without the policy nobody knows whether Mini may show here. Where it did, it says that somebody signed out
    // or that nothing can be asked.
    if (isHidden || session.state === "refused" || (session.state !== "signed_in" && !drawn)) {
      erase();
      return;
    }
    drawn ??= draw(sessionId, userId);
    drawn.mounted.become(session);
    watch(drawn, session);
  }

  function draw(sessionId: string, userId: string | null): Drawn {
    const host = document.createElement(TAG);
    document.documentElement.append(host);
    const live = messageLive(endIfOrphaned);
    const drafts = messageDrafts(userId);
    const surroundings: Surroundings = {
      api: messageApi(userId),
      live,
      drafts,
      sessionId,
      site: location.hostname,
      now: () => Date.now(),
      openSidecar: (patientKey) => tell({ type: "open_sidecar", patientKey }),
      signIn: () => tell({ type: "open_sidecar", patientKey: null }),
      shows: (patientKey) => tell({ type: "shows", patientKey }),
    };
    const mounted = mountMini(host, surroundings, { remember: placeMemory(drafts) });
    return { host, mounted, live, userId, adapters: "", stopWatching: () => {} };
  }

  function watch(current: Drawn, session: Session): void {
    if (session.state === "signed_out") {
      current.stopWatching();
      current.adapters = "";
      current.mounted.show(null);
      return;
    }
    if (session.state !== "signed_in") return;
    const adapters = JSON.stringify(session.config.page_adapters);
    if (current.adapters === adapters) return;
    current.stopWatching();
    current.adapters = adapters;
    current.stopWatching = watchPage(session.config.page_adapters, (sighting: Sighting | null) =>
      current.mounted.show(sighting),
    );
  }

  /** An extension that is reloaded drops every connection, and can't be asked anything any more. */
  function endIfOrphaned(): void {
    if (!isAlive()) end();
    else orphanCheck = setTimeout(() => isAlive() || end(), ORPHAN_MS);
  }

  function erase(): void {
    if (!drawn) return;
    const { stopWatching, mounted, live, host } = drawn;
    drawn = null;
    stopWatching();
    mounted.unmount();
    live.end();
    host.remove();
    tell({ type: "shows", patientKey: null });
  }

  /**
   * An application that makes its document anew takes Mini's place away with it. One that takes away whatever isn't
   * its own wins in the end: Mini must not wrestle with it for the tab.
   */
  const observer = new MutationObserver(() => {
    if (!drawn || drawn.host.isConnected) return;
    if (performance.now() - putBackAt > STANDS_MS) putBack = 0;
    if (putBack >= MOST_PUT_BACK) return end();
    putBackTimer ??= setTimeout(putItBack, PUT_BACK_MS * 4 ** putBack);
  });

  function putItBack(): void {
    putBackTimer = undefined;
    if (!drawn || drawn.host.isConnected) return;
    putBack += 1;
    putBackAt = performance.now();
    document.documentElement.append(drawn.host);
  }

  observer.observe(document, { childList: true });
  observer.observe(document.documentElement, { childList: true });

  // A page that is left shows nobody; one that is come back to is shown as it was left, and asks again.
  const onHide = () => tell({ type: "shows", patientKey: null });
  const onShow = ({ persisted }: PageTransitionEvent) => {
    if (!persisted) return;
    erase();
    void refresh();
  };
  addEventListener("pagehide", onHide);
  addEventListener("pageshow", onShow);

  function end(): void {
    round += 1;
    clearTimeout(timer);
    clearTimeout(orphanCheck);
    clearTimeout(putBackTimer);
    observer.disconnect();
    removeEventListener("pagehide", onHide);
    removeEventListener("pageshow", onShow);
    document.removeEventListener("visibilitychange", refreshWhenSeen);
    erase();
  }

  void refresh();
  return { refresh, end };
}

/** Nothing is lost when nobody hears it: the extension was reloaded. */
function tell(message: Parameters<typeof ask>[0]): void {
  if (isAlive()) ask(message).catch(() => {});
}
