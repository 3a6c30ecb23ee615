import { useEffect, useState } from "preact/hooks";
import type { Clinics } from "./clinics";
import { openSide, type Side, type SideName, type Witness } from "./side";

const DEFAULT_ROLES: Record<SideName, string> = { left: "front_desk", right: "financial_counselor" };

/** The side that shows, and a way to have somebody else sit there; null until it is opened. */
export function useSide(
  name: SideName,
  clinics: Clinics,
  witness: Witness,
): { side: Side | null; choose(userId: string): void } {
  const key = `mobius-demo:${name}:user`;
  const [userId, setUserId] = useState(() => startUser(name, clinics, sessionStorage.getItem(key)));
  const [side, setSide] = useState<Side | null>(null);
  useEffect(() => {
    if (userId === null) return;
    sessionStorage.setItem(key, userId);
    const opened = openSide(name, userId, clinics, witness);
    setSide(opened);
    return () => {
      setSide(null);
      opened.end();
    };
  }, [name, key, userId, clinics, witness]);
  return { side, choose: setUserId };
}

function startUser(name: SideName, { clinics }: Clinics, before: string | null): string | null {
  const users = clinics.flatMap((clinic) => clinic.users);
  const start =
    users.find((each) => each.user_id === before) ??
    users.find((each) => each.role === DEFAULT_ROLES[name]) ??
    users[0];
  return start?.user_id ?? null;
}
