// The strip's common scale.
const LEAST_MS = 50;

/** The next round number: 1, 2 or 5 times a power of ten. */
export function roundUp(milliseconds: number): number {
  const least = Math.max(milliseconds, LEAST_MS);
  const power = 10 ** Math.floor(Math.log10(least));
  const factor = [1, 2, 5, 10].find((each) => each * power >= least) ?? 10;
  return factor * power;
}
