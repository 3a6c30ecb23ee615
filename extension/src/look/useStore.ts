import { useLayoutEffect, useState } from "preact/hooks";
import type { Unsubscribe } from "../ports";

interface Store<S> {
  /** Another object after each change. */
  readonly state: S;
  subscribe(listener: () => void): Unsubscribe;
}

/** The state of a store, drawn anew whenever it changes, also between the first drawing and the subscription. */
export function useStore<S>(store: Store<S>): S {
  const [, redraw] = useState({});
  const { state } = store;
  // The state is compared once, as it was first drawn.
  useLayoutEffect(() => {
    if (store.state !== state) redraw({});
    return store.subscribe(() => redraw({}));
  }, [store]);
  return state;
}
