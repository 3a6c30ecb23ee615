// The left window: the clinic's own application with Mini over it.
import { useEffect } from "preact/hooks";
import { mountMini } from "../mini/mount";
import { watchPage } from "../page/watch";
import { ClinicApp } from "./clinic/ClinicApp";
import type { Side } from "./side";
import { useSurface } from "./useSurface";
import { WindowNote } from "./WindowNote";

const APPLICATION = "demo_ehr";

interface MiniWindowProps {
  side: Side;
  scheme: string | null;
  today: Date;
  onShows(patientKey: string | null): void;
}

export function MiniWindow({ side, scheme, today, onShows }: MiniWindowProps) {
  const here = { session_id: side.sessionId, site: location.hostname, application_id: APPLICATION };
  const { place, mounted, session } = useSurface({
    side,
    scheme,
    surroundings: { site: location.hostname, applicationId: APPLICATION, shows: onShows },
    // Open, so that the tests of accessibility see into it; in the extension it is closed.
    mount: (host, surroundings) => mountMini(host, surroundings, { shadow: "open" }),
    ask: ({ api }) => api.call("mini/config", here),
  });
  const adapters = session.state === "signed_in" ? session.config.page_adapters : null;
  useEffect(() => {
    if (mounted === null || adapters === null) return;
    return watchPage(adapters, (sighting) => mounted.show(sighting));
  }, [mounted, adapters]);
  return (
    <div class="window-body">
      <ClinicApp clinic={side.clinic} today={today} />
      <div class="float" ref={place} />
      {session.state === "signed_in" && !session.config.policy.show_mini && (
        <WindowNote text="The policy keeps Mini from showing here." />
      )}
    </div>
  );
}
