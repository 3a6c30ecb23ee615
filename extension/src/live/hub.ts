// One listener for each document, however many subscribe to it.
import type { Heard, Unsubscribe } from "../ports";

export type Hear<T> = (heard: Heard<T>) => void;
export type Listen<T> = (hear: Hear<T>) => Unsubscribe;

/** So long a listener goes on without subscribers: whoever comes back to a patient finds it warm. */
export const LINGER_MS = 5_000;

interface Listener<T> {
  subscribers: Set<Hear<T>>;
  last: Heard<T> | undefined;
  stop: Unsubscribe;
  lingering: ReturnType<typeof setTimeout> | undefined;
}

export class Hub<T> {
  private readonly listeners = new Map<string, Listener<T>>();

  constructor(
    private readonly listen: (name: string, hear: Hear<T>) => Unsubscribe,
    private readonly lingerMs = LINGER_MS,
  ) {}

  /** Tells `hear` at once of what was heard last, then of all that follows. */
  subscribe(name: string, hear: Hear<T>): Unsubscribe {
    const listener = this.listeners.get(name) ?? this.open(name);
    clearTimeout(listener.lingering);
    // The same function may subscribe twice and then go once.
    const own: Hear<T> = (heard) => hear(heard);
    listener.subscribers.add(own);
    if (listener.last) own(listener.last);
    return () => {
      if (listener.subscribers.delete(own) && listener.subscribers.size === 0) this.linger(name, listener);
    };
  }

  /** Nothing is heard any more, and nothing that was heard is kept. */
  end(): void {
    const ended = [...this.listeners.values()];
    this.listeners.clear();
    for (const listener of ended) {
      clearTimeout(listener.lingering);
      listener.subscribers.clear();
      listener.last = undefined;
      listener.stop();
    }
  }

  private open(name: string): Listener<T> {
    const listener: Listener<T> = {
      subscribers: new Set(),
      last: undefined,
      stop: () => {},
      lingering: undefined,
    };
    this.listeners.set(name, listener);
    listener.stop = this.listen(name, (heard) => {
      if (this.listeners.get(name) !== listener) return;
      listener.last = heard;
      for (const hear of [...listener.subscribers]) hear(heard);
    });
    return listener;
  }

  private linger(name: string, listener: Listener<T>): void {
    if (this.listeners.get(name) !== listener) return;
    listener.lingering = setTimeout(() => {
      this.listeners.delete(name);
      listener.stop();
    }, this.lingerMs);
  }
}
