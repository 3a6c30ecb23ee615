// Keeps drafts as they are typed: the newest is written, one write of a draft at a time and in order, and who
// reads sees what is still to be written.
import type { Drafts } from "../ports";

interface Pending {
  draft: unknown;
  done: Promise<void>;
}

export class DraftKeeper {
  readonly #pending = new Map<string, Pending>();

  constructor(private readonly drafts: Drafts) {}

  /** What is kept under `name`; undefined when nothing is, or when it can't be read. */
  async read(name: string): Promise<unknown> {
    const pending = this.#pending.get(name);
    if (pending) return pending.draft;
    return this.drafts.read(name).catch(() => undefined);
  }

  /** Keeps `draft`; undefined forgets it. A store that fails keeps nothing, and that is all: typing goes on. */
  write(name: string, draft: unknown): Promise<void> {
    const pending = this.#pending.get(name);
    if (pending) {
      pending.draft = draft;
      return pending.done;
    }
    const fresh: Pending = { draft, done: Promise.resolve() };
    this.#pending.set(name, fresh);
    fresh.done = this.#drain(name, fresh);
    return fresh.done;
  }

  async #drain(name: string, pending: Pending): Promise<void> {
    let written: unknown;
    do {
      written = pending.draft;
      await this.drafts.write(name, written).catch(() => undefined);
    } while (written !== pending.draft);
    this.#pending.delete(name);
  }
}

const keepers = new WeakMap<Drafts, DraftKeeper>();

/** The one keeper of these drafts, whatever the number of forms over them. */
export function keeperOf(drafts: Drafts): DraftKeeper {
  const known = keepers.get(drafts);
  if (known) return known;
  const keeper = new DraftKeeper(drafts);
  keepers.set(drafts, keeper);
  return keeper;
}
