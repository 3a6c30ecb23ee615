// When Mini asks again: often enough to stay known as present, soon after a failure, never while nobody looks.
import type { Config } from "../api/types";

export interface PulseOptions {
  /** 0 up to 1. */
  random?: () => number;
  /** Whether the tab shows. */
  visible?: () => boolean;
}

export type Health = "well" | "blue" | "failing" | "refused";

const LONGEST_MS = 60_000;
const BLUE_MS = 15_000;
const REFUSED_MS = 300_000;
const FIRST_RETRY_MS = 2_000;
/** After something that may happen many times in a row. */
const SOON_MS = 150;

export class Pulse {
  #timer: ReturnType<typeof setTimeout> | undefined;
  #failures = 0;
  readonly #random: () => number;
  readonly #visible: () => boolean;

  constructor(
    private readonly ask: () => void,
    { random = Math.random, visible = () => true }: PulseOptions,
  ) {
    this.#random = random;
    this.#visible = visible;
  }

  now(): void {
    clearTimeout(this.#timer);
    this.ask();
  }

  soon(): void {
    this.#after(SOON_MS);
  }

  /** Once more after what this health asks for; in a hidden tab not at all: showing it again asks at once. */
  later(config: Config, health: Health): void {
    this.#failures = health === "failing" ? this.#failures + 1 : 0;
    const usual = Math.min((config.timers.presence_s * 1000) / 2, LONGEST_MS);
    const waits: Record<Health, number> = {
      well: usual,
      blue: Math.min(usual, BLUE_MS),
      failing: Math.min(usual, FIRST_RETRY_MS * 2 ** (this.#failures - 1)),
      refused: REFUSED_MS,
    };
    // Shorter, never longer: presence must not run out, and many tabs must not ask at the same moment.
    this.#after(waits[health] * (1 - this.#random() * 0.25));
  }

  rest(): void {
    clearTimeout(this.#timer);
    this.#failures = 0;
  }

  #after(wait: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#visible()) this.ask();
    }, wait);
  }
}
