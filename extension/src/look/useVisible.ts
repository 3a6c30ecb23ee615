import { useEffect, useState } from "preact/hooks";

/** Whether the tab shows. */
export function useVisible(): boolean {
  const [, redraw] = useState({});
  useEffect(() => {
    const turned = () => redraw({});
    document.addEventListener("visibilitychange", turned);
    return () => document.removeEventListener("visibilitychange", turned);
  }, []);
  return document.visibilityState !== "hidden";
}
