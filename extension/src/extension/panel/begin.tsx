// Sidecar in Chrome's side panel; also as a tab of its own, at its address with ?tab=ID.
import { createRef, render } from "preact";
import type { Persona } from "../../identity/persona";
import { adopt } from "../../look/sheet";
import tokens from "../../look/tokens.css";
import type { Session } from "../../ports";
import { mountSidecar } from "../../sidecar/mount";
import { type Configuration, loadConfiguration } from "../configuration";
import type { LiveClient } from "../live_client";
import { messageApi, messageDrafts, messageLive } from "../message_api";
import { ask } from "../messages";
import { write } from "../store";
import { follow } from "./following";
import { Panel } from "./Panel";

const REFRESH_MS = 5 * 60_000;
const RETRY_MS = 5_000;

interface Drawn {
  userId: string | null;
  mounted: ReturnType<typeof mountSidecar>;
  live: LiveClient;
}

export async function beginPanel(place: HTMLElement): Promise<void> {
  adopt(document, tokens);
  const fixed = new URLSearchParams(location.search).get("tab");
  const tabId = fixed === null ? undefined : Number(fixed);
  const name = tabId === undefined ? `window-${(await chrome.windows.getCurrent()).id}` : `tab-${tabId}`;
  const sidecar = createRef<HTMLDivElement>();
  let session: Session = { state: "starting" };
  let configuration: Configuration | string | null = null;
  let drawn: Drawn | null = null;
  let isSignedIn = false;
  let shown: string | null = null;
  let round = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const draw = () =>
    render(
      <Panel
        {...{ session, isSignedIn, configuration, sidecar }}
        choose={choose}
        signedIn={signedIn}
        signOut={signOut}
      />,
      place,
    );
  const signedIn = async () => {
    await ask({ type: "signed_in" }).catch(() => null);
  };
  const choose = async (persona: Persona) => {
    await write("persona", persona);
    await signedIn();
  };
  const signOut = () => void ask({ type: "sign_out" }).catch(() => {});

  async function refresh(): Promise<void> {
    round += 1;
    const own = round;
    clearTimeout(timer);
    configuration = await loadConfiguration().catch((error: Error) => error.message);
    const hello = await ask({ type: "hello", panel: name }).catch(() => null);
    if (own !== round) return;
    timer = setTimeout(refresh, hello && hello.session.state !== "unreachable" ? REFRESH_MS : RETRY_MS);
    if (!hello) return draw();
    session = hello.session;
    isSignedIn = hello.signedIn !== null;
    draw();
    become(hello.sessionId, hello.signedIn?.userId ?? null);
  }

  /** Of another user nothing is taken over, not even in memory; nor does one who is refused keep what they saw. */
  function become(sessionId: string, userId: string | null): void {
    const isOver = session.state === "signed_out" || session.state === "refused";
    if (drawn && (isOver || drawn.userId !== userId)) erase();
    if (session.state === "signed_out" || !sidecar.current) return;
    if (!drawn) {
      const live = messageLive();
      const api = messageApi(userId);
      const drafts = messageDrafts(userId);
      const surroundings = { api, live, drafts, sessionId, now: () => Date.now() };
      // Open: the page is our own, there is nobody here to keep out.
      drawn = { userId, live, mounted: mountSidecar(sidecar.current, surroundings, { shadow: "open" }) };
      drawn.mounted.become(session);
      show();
    } else {
      drawn.mounted.become(session);
    }
  }

  function erase(): void {
    drawn?.mounted.unmount();
    drawn?.live.end();
    drawn = null;
    shown = null;
  }

  const show = () => drawn?.mounted.show(shown === null ? null : { kind: "picked", patientKey: shown });

  chrome.storage.session.onChanged.addListener((changes) => {
    if (changes.epoch) void refresh();
  });
  draw();
  await refresh();
  await follow(
    {
      shows(patientKey) {
        shown = patientKey;
        show();
      },
      isAskedFor: (patientKey) => drawn?.mounted.open(patientKey),
    },
    tabId,
  );
}
