// Mounts a surface into the page and keeps it signed in.
import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Config } from "../api/types";
import type { Mounted, Session, Surroundings } from "../ports";
import type { Side } from "./side";
import { keepSignedIn } from "./signed_in";

interface SurfaceOptions<M extends Mounted> {
  side: Side;
  /** Chosen by hand; null: as the system has it. */
  scheme: string | null;
  surroundings: Partial<Surroundings>;
  mount(host: HTMLElement, surroundings: Surroundings): M;
  ask(side: Side): Promise<Config>;
}

interface Surface<M extends Mounted> {
  place: RefObject<HTMLDivElement>;
  mounted: M | null;
  session: Session;
}

/** Everything but `side` and `scheme` is taken as it was when the side was opened. */
export function useSurface<M extends Mounted>(options: SurfaceOptions<M>): Surface<M> {
  const { side, scheme } = options;
  const given = useRef(options);
  const place = useRef<HTMLDivElement>(null);
  const host = useRef<HTMLElement | null>(null);
  const [mounted, setMounted] = useState<M | null>(null);
  const [session, setSession] = useState<Session>({ state: "starting" });

  useEffect(() => {
    if (place.current === null) return;
    // An element of its own for each user: a shadow root stays with its element.
    const made = document.createElement("div");
    host.current = made;
    place.current.append(made);
    const surface = given.current.mount(made, {
      api: side.api,
      live: side.live,
      drafts: side.drafts,
      sessionId: side.sessionId,
      now: Date.now,
      ...given.current.surroundings,
    });
    setMounted(surface);
    const stop = keepSignedIn(
      () => given.current.ask(side),
      (told) => {
        surface.become(told);
        setSession(told);
      },
    );
    return () => {
      stop();
      surface.unmount();
      made.remove();
      setMounted(null);
    };
  }, [side]);

  // Another host has come when another surface is mounted.
  useEffect(() => {
    if (host.current === null) return;
    if (scheme === null) host.current.removeAttribute("data-scheme");
    else host.current.setAttribute("data-scheme", scheme);
  }, [scheme, mounted]);

  return { place, mounted, session };
}
