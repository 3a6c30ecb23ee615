// Light or dark: as the system has it, until somebody says otherwise.
import { useEffect, useState } from "preact/hooks";

export type Scheme = "light" | "dark";
const KEY = "mobius-demo:scheme";
const SYSTEM = "(prefers-color-scheme: dark)";

/** The scheme that shows, what was chosen (null: nothing) and a way to choose the other one. */
export function useScheme(): { scheme: Scheme; chosen: Scheme | null; toggle(): void } {
  const [chosen, setChosen] = useState<Scheme | null>(() => known(sessionStorage.getItem(KEY)));
  const [system, setSystem] = useState<Scheme>(ofSystem);
  useEffect(() => {
    const query = matchMedia(SYSTEM);
    const follow = () => setSystem(ofSystem());
    query.addEventListener("change", follow);
    return () => query.removeEventListener("change", follow);
  }, []);
  useEffect(() => {
    if (chosen === null) return;
    document.documentElement.setAttribute("data-scheme", chosen);
    sessionStorage.setItem(KEY, chosen);
  }, [chosen]);
  const scheme = chosen ?? system;
  return { scheme, chosen, toggle: () => setChosen(scheme === "dark" ? "light" : "dark") };
}

const known = (text: string | null): Scheme | null => (text === "light" || text === "dark" ? text : null);
const ofSystem = (): Scheme => (matchMedia(SYSTEM).matches ? "dark" : "light");
