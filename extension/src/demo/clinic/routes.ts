// The clinic's application keeps its pages behind the number sign, as many single-page applications do.
import { useEffect, useState } from "preact/hooks";

export type Route = { page: "schedule" } | { page: "record"; place: number };

const RECORD = /^#\/records\/(\d{1,4})$/;

export function routeOf(hash: string): Route | null {
  if (hash === "#/schedule") return { page: "schedule" };
  const place = RECORD.exec(hash)?.[1];
  return place === undefined ? null : { page: "record", place: Number(place) };
}

export function hashOf(route: Route): string {
  return route.page === "schedule" ? "#/schedule" : `#/records/${route.place}`;
}

/** The page that the address names; null when it names none. */
export function useRoute(): Route | null {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const follow = () => setRoute(routeOf(location.hash));
    addEventListener("hashchange", follow);
    addEventListener("popstate", follow);
    return () => {
      removeEventListener("hashchange", follow);
      removeEventListener("popstate", follow);
    };
  }, []);
  return route;
}
