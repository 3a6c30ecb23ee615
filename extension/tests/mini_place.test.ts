import fc from "fast-check";
import { expect, it } from "vitest";
import { kept, MARGIN, nextCorner, type Place, placeAt, rememberedFrom, type Size } from "../src/mini/place";

const size = (most: number): fc.Arbitrary<Size> =>
  fc.record({ width: fc.integer({ min: 40, max: most }), height: fc.integer({ min: 40, max: most }) });
const at = fc.integer({ min: -3000, max: 3000 });

function corner({ side, edge, x, y }: Place, { width, height }: Size, window: Size) {
  return {
    left: side === "left" ? x : window.width - width - x,
    top: edge === "top" ? y : window.height - height - y,
  };
}

it("stays inside the window, wherever it is taken", () => {
  fc.assert(
    fc.property(at, at, size(336), size(2000), size(2000), (left, top, mini, before, after) => {
      const place = placeAt(left, top, mini, before);
      for (const window of [before, after]) {
        if (window.width < mini.width + 2 * MARGIN || window.height < mini.height + 2 * MARGIN) continue;
        const stands = corner(kept(place, mini, window), mini, window);
        expect(stands.left).toBeGreaterThanOrEqual(MARGIN);
        expect(stands.top).toBeGreaterThanOrEqual(MARGIN);
        expect(stands.left + mini.width).toBeLessThanOrEqual(window.width - MARGIN);
        expect(stands.top + mini.height).toBeLessThanOrEqual(window.height - MARGIN);
      }
    }),
  );
});

it("stays where it is put, when it fits there", () => {
  const mini = { width: 336, height: 270 };
  const window = { width: 1200, height: 800 };
  fc.assert(
    fc.property(fc.integer({ min: 8, max: 856 }), fc.integer({ min: 8, max: 522 }), (left, top) => {
      expect(corner(placeAt(left, top, mini, window), mini, window)).toEqual({ left, top });
    }),
  );
});

it("visits the four corners by pressing", () => {
  let place: Place = { side: "right", edge: "bottom", x: 90, y: 40 };
  const visited = new Set<string>();
  for (let press = 0; press < 4; press += 1) {
    place = nextCorner(place);
    visited.add(`${place.side} ${place.edge}`);
  }
  expect(visited.size).toBe(4);
});

it("takes from storage only what it wrote", () => {
  const good = { place: { side: "left", edge: "top", x: 8, y: 9 }, minimized: true };
  expect(rememberedFrom({ ...good, more: 1 })).toEqual(good);
  expect(rememberedFrom({ ...good, place: { ...good.place, x: Number.NaN } })).toBeNull();
  fc.assert(fc.property(fc.anything(), (anything) => void rememberedFrom(anything)));
});
