import { useEffect, useState } from "preact/hooks";

/** Now, in milliseconds, told anew every so often, so that relative times move on. */
export function useNow(now: () => number, everyMs = 1000): number {
  const [at, setAt] = useState(now);
  useEffect(() => {
    const timer = setInterval(() => {
      // A hidden tab has nobody who reads the time.
      if (document.visibilityState !== "hidden") setAt(now());
    }, everyMs);
    return () => clearInterval(timer);
  }, [now, everyMs]);
  return at;
}
