import { render } from "preact";
import { adopt } from "../look/sheet";
import tokens from "../look/tokens.css";
import type { Mounted, Surroundings } from "../ports";
import send from "../send/send.css";
import deeds from "./deeds.css";
import { createModel } from "./model";
import parts from "./parts.css";
import { Sidecar } from "./Sidecar";
import sidecar from "./sidecar.css";

/** An element keeps the shadow root that it was given once. */
const roots = new WeakMap<HTMLElement, ShadowRoot>();

/** Draws Sidecar in `host`, which gives it its size, in a shadow root: nothing leaks in or out. */
export function mountSidecar(
  host: HTMLElement,
  surroundings: Surroundings,
  { shadow = "closed" }: { shadow?: "closed" | "open" } = {},
): Mounted & { open(patientKey: string): void } {
  const root = roots.get(host) ?? host.attachShadow({ mode: shadow });
  roots.set(host, root);
  adopt(root, tokens, send, sidecar, parts, deeds);
  const model = createModel(surroundings);
  render(<Sidecar model={model} />, root);
  return {
    become: model.become,
    show: model.show,
    open: model.open,
    unmount() {
      model.end();
      render(null, root);
    },
  };
}
