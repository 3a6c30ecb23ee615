import { render } from "preact";
import { adopt } from "../look/sheet";
import tokens from "../look/tokens.css";
import type { Mounted, Surroundings } from "../ports";
import sendStyles from "../send/send.css";
import { watchAddress } from "./address";
import { guard } from "./guard";
import { Mini } from "./Mini";
import miniStyles from "./mini.css";
import { MiniModel } from "./model";
import { HOME, type Memory, rememberedFrom } from "./place";

export interface MiniOptions {
  /** Open for tests; closed, so that the host page finds no way in. */
  shadow?: "closed" | "open";
  /** Remembers where Mini stands and whether it is minimized. */
  remember?: Memory;
}

/**
 * Draws Mini over the page, in a shadow root of `host`. `host` should be a child of the document element: within
 * something that is transformed or filtered it would not stand still.
 */
export function mountMini(host: HTMLElement, surroundings: Surroundings, options: MiniOptions = {}): Mounted {
  const root = host.attachShadow({ mode: options.shadow ?? "closed" });
  adopt(root, tokens, sendStyles, miniStyles);
  const unguard = guard(host);
  const model = new MiniModel(surroundings, {
    visible: () => document.visibilityState !== "hidden",
    address: () => location.href,
  });
  const memory = options.remember ?? null;
  let ended = false;

  const wake = () => {
    if (document.visibilityState !== "hidden") model.refresh();
  };
  document.addEventListener("visibilitychange", wake);
  addEventListener("online", wake);
  const unwatch = watchAddress(() => model.moved());

  // Where it stood is read before it is drawn: it must not jump there.
  void (memory?.read() ?? Promise.resolve(null))
    .catch(() => null)
    .then((stored) => {
      if (ended) return;
      const remembered = rememberedFrom(stored) ?? { place: HOME, minimized: false };
      render(
        <Mini model={model} surroundings={surroundings} remembered={remembered} memory={memory} />,
        root,
      );
    });

  return {
    become: (session) => model.become(session),
    show: (sighting) => model.show(sighting),
    unmount() {
      ended = true;
      document.removeEventListener("visibilitychange", wake);
      removeEventListener("online", wake);
      unwatch();
      model.end();
      render(null, root);
      unguard();
    },
  };
}
