// The right window: another user's Sidecar.
import { useEffect } from "preact/hooks";
import { mountSidecar } from "../sidecar/mount";
import type { Side } from "./side";
import { useSurface } from "./useSurface";

interface SidecarWindowProps {
  side: Side;
  scheme: string | null;
  /** The patient to open; null: whoever is open stays. */
  follows: string | null;
}

export function SidecarWindow({ side, scheme, follows }: SidecarWindowProps) {
  const { place, mounted, session } = useSurface({
    side,
    scheme,
    surroundings: {},
    mount: (host, surroundings) => mountSidecar(host, surroundings, { shadow: "open" }),
    ask: ({ api, sessionId }) => api.call("sidecar/config", { session_id: sessionId }),
  });
  const isSignedIn = session.state === "signed_in";
  useEffect(() => {
    if (mounted === null || !isSignedIn || follows === null) return;
    mounted.show({ kind: "picked", patientKey: follows });
    // Whoever was opened by hand gives way.
    mounted.open(follows);
  }, [mounted, isSignedIn, follows]);
  return <div class="window-body" ref={place} />;
}
