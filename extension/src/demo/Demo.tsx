// The demo page: two users of a synthetic clinic, each before a window of their own, and the way of what they send.
import { useEffect, useMemo, useState } from "preact/hooks";
import { type Clinics, useClinics } from "./clinics";
import { MiniWindow } from "./MiniWindow";
import { PersonaChooser } from "./PersonaChooser";
import { SidecarWindow } from "./SidecarWindow";
import { useScheme } from "./scheme";
import { TopBar } from "./TopBar";
import { useSide } from "./useSide";
import { Waiting } from "./Waiting";
import { watchNetwork } from "./way/network";
import { Strip } from "./way/Strip";
import type { Way } from "./way/way";
import { Ways } from "./way/ways";

export function Demo() {
  const { clinics, tries } = useClinics();
  const { scheme, chosen, toggle } = useScheme();
  return (
    <div class="demo">
      <TopBar scheme={scheme} onToggle={toggle} />
      {clinics ? <Windows clinics={clinics} scheme={chosen} /> : <Waiting tries={tries} />}
    </div>
  );
}

function Windows({ clinics, scheme }: { clinics: Clinics; scheme: string | null }) {
  const [ways, setWays] = useState<readonly Way[]>([]);
  const witness = useMemo(() => new Ways(setWays), []);
  useEffect(() => watchNetwork((...travel) => witness.travelled(...travel)), [witness]);
  const today = useMemo(() => new Date(), []);
  const left = useSide("left", clinics, witness);
  const right = useSide("right", clinics, witness);
  const [shownLeft, setShownLeft] = useState<string | null>(null);
  const [isFollowing, setFollowing] = useState(true);
  const apart = left.side && right.side && left.side.clinic !== right.side.clinic;
  return (
    <>
      <main class="windows">
        <section class="window is-left" aria-labelledby="left-title">
          <header class="window-head">
            <h2 id="left-title" class="spoken">
              Mini
            </h2>
            {left.side && (
              <PersonaChooser
                side="left"
                persona={left.side.persona}
                clinics={clinics}
                onChoose={left.choose}
              />
            )}
            <p class="window-what">Mini, over the clinic’s own application</p>
          </header>
          {left.side && (
            <MiniWindow
              key={left.side.persona.user_id}
              side={left.side}
              scheme={scheme}
              today={today}
              onShows={setShownLeft}
            />
          )}
        </section>
        <section class="window is-right" aria-labelledby="right-title">
          <header class="window-head">
            <h2 id="right-title" class="spoken">
              Sidecar
            </h2>
            {right.side && (
              <PersonaChooser
                side="right"
                persona={right.side.persona}
                clinics={clinics}
                onChoose={right.choose}
              />
            )}
            <label class="follow" title="Opens whichever patient the window on the left shows">
              <input
                type="checkbox"
                checked={isFollowing}
                onChange={(event) => setFollowing(event.currentTarget.checked)}
              />
              Follow
            </label>
            {apart && (
              <p class="apart" role="status">
                Works at another clinic: that patient isn’t known there.
              </p>
            )}
          </header>
          {right.side && (
            <SidecarWindow
              key={right.side.persona.user_id}
              side={right.side}
              scheme={scheme}
              follows={isFollowing ? shownLeft : null}
            />
          )}
        </section>
      </main>
      <Strip ways={ways} />
    </>
  );
}
