import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { birthDate, howLongAgo } from "../src/look/times";

const NOW = Date.parse("2026-03-02T15:00:00Z");

describe("how long ago", () => {
  it.each([
    [0, "just now"],
    [-5_000, "just now"],
    [4_000, "4 s ago"],
    [59_999, "59 s ago"],
    [60_000, "1 min ago"],
    [3_600_000, "1 h ago"],
    [86_400_000 * 3, "3 d ago"],
    [86_400_000 * 40, "21 Jan 2026"],
  ])("%d ms is %s", (ms, said) => expect(howLongAgo(NOW - ms, NOW)).toBe(said));

  it("is never in the future, and never empty", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 * NOW }), (at) => {
        expect(howLongAgo(at, NOW)).toMatch(/^(just now|\d+ (s|min|h|d) ago|\d+ [A-Z][a-z]{2} \d{4})$/);
      }),
    );
  });
});

describe("a date of birth", () => {
  it("is the same day in every time zone, or the year alone, or as it came", () => {
    expect(birthDate("1984-05-17")).toBe("17 May 1984");
    expect(birthDate("1984")).toBe("1984");
    expect(birthDate("unknown")).toBe("unknown");
    expect(birthDate("a-b-c")).toBe("a-b-c");
  });
});
