import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import type { Config } from "../api/types";
import { LivenessLine } from "../look/Liveness";
import { SendForm } from "../send/SendForm";
import { Announcer } from "./Announcer";
import { Ask } from "./Ask";
import { Dismiss } from "./Dismiss";
import { Frame, type Jump } from "./Frame";
import { Glass } from "./Glass";
import { Header } from "./Header";
import { History } from "./History";
import { Menu, type MenuItem } from "./Menu";
import type { Model, SidecarView } from "./model";
import { Notices, troubleOf } from "./Notices";
import { NotShown } from "./NotShown";
import { OpenItems } from "./OpenItems";
import type { Patient } from "./patient";
import { Section } from "./Section";
import { createStore, useStore } from "./store";
import { present, WhoIsHere } from "./WhoIsHere";
import { Why } from "./Why";
import { capitalized } from "./words";

interface Props {
  model: Model;
  view: SidecarView;
  patient: Patient;
  config: Config;
  now: number;
  /** The menu's items that are about no patient. */
  menu: readonly MenuItem[];
  /** What such an item opened. */
  sheet: ComponentChildren;
  onMenu(name: string): void;
  onOpen(patientKey: string): void;
  onClosed(): void;
  /** Called whenever something else shows. */
  onDrawn(): void;
}

const NO_INBOX = createStore({ openCount: 0 });

/** Everything about one patient. */
export function PatientPanel(props: Props) {
  const { model, view, patient, config, now } = props;
  const state = useStore(patient.store);
  const [asked, setAsked] = useState<"dismiss" | "glass" | null>(null);
  const [isWriting, setWriting] = useState(false);
  const [said, setSaid] = useState("");
  useEffect(props.onDrawn);
  const { openCount } = useStore<{ openCount: number }>(view.inbox?.store ?? NO_INBOX);
  const unreachable = view.session.state === "unreachable" ? view.session.problem : null;
  const trouble = troubleOf(state, unreachable);
  const { shown, glassUntil } = state;
  const { permissions, user } = config;
  const here = present(state.here, user.user_id);
  const others = here.filter((each) => !each.isMe);
  // Of a patient who is kept from the user nothing is listened to.
  const isHeard = state.phase !== "locked" && state.phase !== "refused";
  const hasHistory = permissions.history || glassUntil !== null;

  const canDismiss =
    permissions.dismiss &&
    permissions.sidecar &&
    shown?.responseId != null &&
    shown.outcome !== "acknowledged" &&
    shown.outcome !== "dismissed";
  const canBreak = permissions.break_glass && (shown !== null || state.phase === "locked");
  const items = [
    ...(canDismiss ? [{ name: "dismiss", label: "Dismiss…" }] : []),
    ...(canBreak ? [{ name: "glass", label: "Break the glass…" }] : []),
    ...props.menu,
  ];
  const choose = (name: string) => {
    if (name === "dismiss" || name === "glass") setAsked(name);
    else props.onMenu(name);
  };
  const close = (words = "") => {
    setAsked(null);
    setSaid(words);
    props.onClosed();
  };
  const menu = <Menu items={items} onChoose={choose} />;

  const inbox = view.inbox && (
    <OpenItems
      inbox={view.inbox}
      config={config}
      now={now}
      people={view.people}
      opened={view.opened}
      patientKey={patient.patientKey}
      first={shown ? 5 : 20}
      onOpen={props.onOpen}
    />
  );
  const jumps: Jump[] = [
    { place: "why", label: "Why" },
    ...(permissions.sidecar ? [{ place: "send" as const, label: "Send" }] : []),
    ...(inbox ? [{ place: "items" as const, label: "Items", count: openCount }] : []),
    ...(hasHistory ? [{ place: "history" as const, label: "History" }] : []),
    { place: "ask", label: "Ask" },
    { place: "here", label: "Here", count: here.length },
  ];

  return (
    <Frame
      head={
        shown ? (
          <Header shown={shown} config={config} now={now} menu={menu} />
        ) : (
          <NotShown
            state={state}
            config={config}
            menu={menu}
            patient={patient}
            surroundings={model.surroundings}
            onBreak={() => setAsked("glass")}
          />
        )
      }
      notices={
        <Notices
          view={state}
          elsewhere={view.handKey === null ? null : view.pageKey === null ? "none" : "page"}
          trouble={trouble}
          now={now}
          onBack={model.back}
          onRetry={patient.refresh}
        />
      }
      jumps={shown ? jumps : []}
      foot={
        isHeard && (
          <LivenessLine
            liveness={state.liveness}
            lastHeard={state.lastHeard}
            seenBy={others.map((each) => each.name)}
          />
        )
      }
    >
      <Announcer shown={shown} isQuiet={isWriting} said={said} trouble={trouble} />
      {props.sheet}
      {asked === "dismiss" && shown && (
        <Dismiss
          patient={patient}
          shown={shown}
          config={config}
          onClose={() => close()}
          onDone={(outcome) => close(`${capitalized(outcome)}.`)}
        />
      )}
      {asked === "glass" && (
        <Glass
          patient={patient}
          config={config}
          onClose={() => close()}
          onDone={() => close("The glass is broken.")}
        />
      )}
      {shown && <Why shown={shown} now={now} />}
      {shown && permissions.sidecar && (
        <Section place="send" title="Send">
          <SendForm
            surface="sidecar"
            surroundings={model.surroundings}
            config={config}
            shown={shown}
            onSent={patient.refresh}
            onDirty={setWriting}
          />
        </Section>
      )}
      {inbox}
      {shown && hasHistory && <History patient={patient} now={now} />}
      {shown && view.chat && <Ask chat={view.chat} shown={shown} />}
      {shown && <WhoIsHere people={here} isKnown={state.isHereKnown} now={now} />}
    </Frame>
  );
}
