import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { useStore } from "../look/useStore";
import type { Surroundings } from "../ports";
import { Dot } from "./Dot";
import { Header } from "./Header";
import type { MiniModel } from "./model";
import { PatientBody } from "./PatientBody";
import type { Memory, Place, Remembered } from "./place";
import { Search } from "./Search";
import { Skeleton } from "./Skeleton";
import { usePlace } from "./usePlace";
import { type MiniView, spokenOf, viewOf } from "./view";

interface Props {
  model: MiniModel;
  surroundings: Surroundings;
  remembered: Remembered;
  memory: Memory | null;
}

/** Mini, in whichever of its states. */
export function Mini({ model, surroundings, remembered, memory }: Props) {
  const view = viewOf(useStore(model));
  // Nothing at all, not even a place in the tab order.
  return view.kind === "hidden" ? null : (
    <Widget model={model} surroundings={surroundings} remembered={remembered} memory={memory} view={view} />
  );
}

function Widget({ model, surroundings, remembered, memory, view }: Props & { view: MiniView }) {
  const panel = useRef<HTMLElement>(null);
  const [{ place, minimized }, setRemembered] = useState(remembered);
  const [dirty, setDirty] = useState(false);
  const move = useCallback((to: Place) => setRemembered((now) => ({ ...now, place: to })), []);
  const moving = usePlace(panel, place, move);
  const fold = useFolding(view);
  const first = useRef(true);

  useEffect(() => {
    // What was just read needs no writing; nor does each step of a drag.
    if (first.current) {
      first.current = false;
      return;
    }
    const timer = setTimeout(() => memory?.write({ place, minimized }).catch(() => undefined), 250);
    return () => clearTimeout(timer);
  }, [memory, place, minimized]);

  const setMinimized = (to: boolean) => {
    setRemembered((now) => ({ ...now, minimized: to }));
    if (!to) model.opened();
    // The focus goes where the same thing can be taken back.
    requestAnimationFrame(() => panel.current?.querySelector<HTMLElement>("[data-fold]")?.focus());
  };

  const folded = fold.folded && !dirty;
  return (
    <section
      ref={panel}
      class={minimized ? "mobius mini is-dot" : "mobius mini"}
      role="dialog"
      aria-label="Mobius Mini"
      data-state={view.kind}
      onKeyDown={(event) => {
        if (event.key !== "Escape" || event.isComposing || event.defaultPrevented || minimized) return;
        event.preventDefault();
        setMinimized(true);
      }}
    >
      <Spoken text={spokenOf(view)} />
      {minimized && <Dot view={view} draft={dirty} moving={moving} onOpen={() => setMinimized(false)} />}
      <div class="open" hidden={minimized}>
        <Header
          view={view}
          moving={moving}
          place={place}
          move={move}
          folding={fold.foldable && !dirty ? { folded, toggle: fold.toggle } : null}
          onMinimize={() => setMinimized(true)}
          onClose={() => model.close()}
        />
        <div class="body" hidden={folded}>
          <Body
            view={view}
            model={model}
            surroundings={surroundings}
            onDirty={setDirty}
            onScreen={!minimized && !folded}
          />
        </div>
      </div>
    </section>
  );
}

/**
 * Green asks for nothing, so a patient who comes as green comes folded to one line. What is open stays open when
 * it turns green (nothing folds under somebody's hands); what is folded unfolds when it is green no more.
 */
function useFolding(view: MiniView): { foldable: boolean; folded: boolean; toggle: () => void } {
  const foldable = view.kind === "patient" && view.shown.proceed === "green" && !view.shown.needsAck;
  const about = view.kind === "patient" ? view.shown.patientKey : view.kind;
  const [fold, setFold] = useState({ about, folded: foldable });
  let current = fold;
  if (fold.about !== about) current = { about, folded: foldable };
  else if (!foldable && fold.folded) current = { about, folded: false };
  if (current !== fold) setFold(current);
  return {
    foldable,
    folded: current.folded,
    toggle: () => setFold({ about, folded: !current.folded }),
  };
}

interface BodyProps {
  view: MiniView;
  model: MiniModel;
  surroundings: Surroundings;
  onDirty(dirty: boolean): void;
  onScreen: boolean;
}

function Body({ view, ...given }: BodyProps) {
  const { model, surroundings } = given;
  switch (view.kind) {
    case "patient":
      return <PatientBody view={view} {...given} />;
    case "loading":
      return <Skeleton />;
    case "no_patient":
      return <Search surroundings={surroundings} onPick={(key) => model.pick(key)} />;
    case "unknown":
      return (
        <>
          <p>This patient is not known to Mobius. If it is the wrong one, find the right one:</p>
          <Search surroundings={surroundings} onPick={(key) => model.pick(key)} />
          {model.state.picked && (
            <p>
              <button type="button" class="plain" onClick={() => model.backToPage()}>
                Back
              </button>
            </p>
          )}
        </>
      );
    case "blue":
      return (
        <p>
          {view.problem} <span class="quiet">Trying again.</span>
        </p>
      );
    case "signed_out":
      return (
        <p class="sign-in">
          <span>Sign in to see where this patient stands.</span>
          {surroundings.signIn && (
            <button type="button" class="main" onClick={() => surroundings.signIn?.()}>
              Sign in
            </button>
          )}
        </p>
      );
    default:
      return null;
  }
}

/** A live region has to be there before it has something to say. */
function Spoken({ text }: { text: string }) {
  const [said, setSaid] = useState("");
  useEffect(() => setSaid(text), [text]);
  return (
    <p class="spoken" role="status">
      {said}
    </p>
  );
}
