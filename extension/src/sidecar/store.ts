// The smallest store: a value, and whoever wants to know when it changed.
import { useEffect, useReducer } from "preact/hooks";
import type { Unsubscribe } from "../ports";

export interface Store<T> {
  get(): T;
  set(change: Partial<T>): void;
  subscribe(hear: () => void): Unsubscribe;
}

export function createStore<T extends object>(first: T): Store<T> {
  let value = first;
  const hearers = new Set<() => void>();
  return {
    get: () => value,
    set(change) {
      value = { ...value, ...change };
      for (const hear of [...hearers]) hear();
    },
    subscribe(hear) {
      hearers.add(hear);
      return () => hearers.delete(hear);
    },
  };
}

/** What the store holds; the component is drawn again when that changes. */
export function useStore<T extends object>(store: Store<T>): T {
  const [, drawAgain] = useReducer((count: number, _: undefined) => count + 1, 0);
  const value = store.get();
  useEffect(() => {
    const hear = () => drawAgain(undefined);
    // It may have changed between the drawing and now.
    if (store.get() !== value) hear();
    return store.subscribe(hear);
  }, [store]);
  return value;
}
