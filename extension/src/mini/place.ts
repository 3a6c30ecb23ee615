// Where Mini stands: so far from the corner that it is nearest to, so that it stays there when the window or
// Mini itself changes its size. Pure, in pixels.
export interface Place {
  side: "left" | "right";
  edge: "top" | "bottom";
  /** Distance to the side and to the edge. */
  x: number;
  y: number;
}

/** What is remembered of Mini between pages: nothing of any patient. */
export interface Remembered {
  place: Place;
  minimized: boolean;
}

/** Where to remember it. */
export interface Memory {
  read(): Promise<unknown>;
  write(remembered: Remembered): Promise<void>;
}

export interface Size {
  width: number;
  height: number;
}

export const MARGIN = 8;

export const HOME: Place = { side: "right", edge: "bottom", x: 16, y: 16 };

/** The place of something whose upper left corner is at (left, top): inside the window, by its nearest corner. */
export function placeAt(left: number, top: number, size: Size, window: Size): Place {
  const x = within(left, window.width - size.width);
  const y = within(top, window.height - size.height);
  const toRight = window.width - size.width - x;
  const toBottom = window.height - size.height - y;
  return {
    side: x < toRight ? "left" : "right",
    edge: y < toBottom ? "top" : "bottom",
    x: Math.min(x, Math.max(toRight, MARGIN)),
    y: Math.min(y, Math.max(toBottom, MARGIN)),
  };
}

/** The same place, inside the window however small that became. */
export function kept(place: Place, size: Size, window: Size): Place {
  return {
    ...place,
    x: within(place.x, window.width - size.width),
    y: within(place.y, window.height - size.height),
  };
}

function within(wanted: number, most: number): number {
  return Math.round(Math.max(MARGIN, Math.min(wanted, most - MARGIN)));
}

/** What was remembered; null when it is nothing that we wrote. */
export function rememberedFrom(stored: unknown): Remembered | null {
  if (!isFields(stored) || typeof stored.minimized !== "boolean" || !isFields(stored.place)) return null;
  const { side, edge, x, y } = stored.place;
  if (!(side === "left" || side === "right") || !(edge === "top" || edge === "bottom")) return null;
  if (!isDistance(x) || !isDistance(y)) return null;
  return { place: { side, edge, x, y }, minimized: stored.minimized };
}

const isFields = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null;
const isDistance = (value: unknown): value is number =>
  typeof value === "number" && Number.isFinite(value) && value >= 0;

/** The next corner, clockwise: who can't drag moves it by pressing. */
export function nextCorner({ side, edge }: Place): Place {
  if (edge === "bottom") {
    return side === "right" ? { ...HOME, side: "left" } : { ...HOME, side: "left", edge: "top" };
  }
  return side === "left" ? { ...HOME, edge: "top" } : HOME;
}
