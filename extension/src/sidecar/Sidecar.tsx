import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Config } from "../api/types";
import { LivenessLine } from "../look/Liveness";
import { useNow } from "../look/useNow";
import { Frame } from "./Frame";
import { GlassAudit } from "./GlassAudit";
import type { Inbox } from "./inbox";
import { Menu } from "./Menu";
import type { Model, SidecarView } from "./model";
import { OpenItems } from "./OpenItems";
import { PatientPanel } from "./PatientPanel";
import { Skeleton, State } from "./States";
import { useStore } from "./store";
import { inWords } from "./words";

const TICK_MS = 5_000;

/** The side panel. */
export function Sidecar({ model }: { model: Model }) {
  const view = useStore(model.store);
  const { session, config } = view;
  // Without a network the session can't be asked for: what is known of the same user stays.
  const isIn = config !== null && (session.state === "signed_in" || session.state === "unreachable");
  return (
    <section class="mobius sidecar" aria-label="Mobius Sidecar">
      {isIn ? (
        <SignedIn key={config.user.user_id} model={model} view={view} config={config} />
      ) : (
        <NotSignedIn model={model} view={view} />
      )}
    </section>
  );
}

function NotSignedIn({ model, view: { session } }: { model: Model; view: SidecarView }) {
  const { signIn } = model.surroundings;
  if (session.state === "signed_out") {
    return (
      <State title="Signed out">
        <p class="quiet">Sign in to see your patients and open items.</p>
        {signIn && (
          <div class="buttons">
            <button type="button" class="main" onClick={() => signIn()}>
              Sign in
            </button>
          </div>
        )}
      </State>
    );
  }
  if (session.state === "unreachable") {
    return (
      <State title="Mobius can’t be reached">
        <p class="quiet">{session.problem}</p>
        <p class="quiet">Proceed as you would without it.</p>
      </State>
    );
  }
  if (session.state === "refused") {
    return (
      <State title="Not allowed">
        <p class="quiet">{session.problem}</p>
      </State>
    );
  }
  return <Skeleton />;
}

function SignedIn({ model, view, config }: { model: Model; view: SidecarView; config: Config }) {
  const { surroundings } = model;
  const now = useNow(
    useMemo(() => () => surroundings.now(), [surroundings]),
    TICK_MS,
  );
  const [isAudit, setAudit] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const wantsFocus = useRef<"patient" | "menu" | null>(null);
  const { patient } = view;

  // Whoever opened a patient goes on at the patient's name, as soon as it is there.
  const focusWanted = () => {
    const target =
      wantsFocus.current && root.current?.querySelector<HTMLElement>(`[data-focus=${wantsFocus.current}]`);
    if (!target) return;
    if (wantsFocus.current === "patient") root.current?.querySelector(".body")?.scrollTo({ top: 0 });
    wantsFocus.current = null;
    target.focus({ preventScroll: true });
  };
  useEffect(focusWanted);

  const open = (patientKey: string) => {
    setAudit(false);
    wantsFocus.current = "patient";
    model.open(patientKey);
  };
  const closed = () => {
    wantsFocus.current = "menu";
    setAudit(false);
  };
  const menu = config.permissions.audit ? [{ name: "audit", label: "Who broke the glass" }] : [];
  const sheet = isAudit && (
    <GlassAudit
      surroundings={surroundings}
      opened={view.opened}
      now={now}
      onOpen={config.permissions.sidecar ? open : undefined}
      onClose={closed}
    />
  );
  return (
    <div class="panel" ref={root}>
      {patient ? (
        <PatientPanel
          key={patient.patientKey}
          model={model}
          view={view}
          patient={patient}
          config={config}
          now={now}
          menu={menu}
          sheet={sheet}
          onMenu={() => setAudit(true)}
          onOpen={open}
          onClosed={closed}
          onDrawn={focusWanted}
        />
      ) : (
        <Frame
          head={
            <div class="head-top">
              <NoPatient config={config} />
              <Menu items={menu} onChoose={() => setAudit(true)} />
            </div>
          }
          foot={view.inbox && <InboxLiveness inbox={view.inbox} />}
        >
          {sheet}
          {view.inbox && (
            <OpenItems
              inbox={view.inbox}
              config={config}
              now={now}
              people={view.people}
              opened={view.opened}
              patientKey={null}
              first={20}
              onOpen={open}
            />
          )}
        </Frame>
      )}
    </div>
  );
}

function NoPatient({ config }: { config: Config }) {
  if (!config.permissions.sidecar) {
    return (
      <State title="No Sidecar for your role">
        <p class="quiet">
          Your role, {inWords(config.user.role)}, does not include Sidecar.
          {config.permissions.break_glass &&
            " Open a patient in your application to break the glass for them."}
        </p>
      </State>
    );
  }
  return (
    <State title="No patient">
      <p class="quiet">Open a patient in your application, or choose one of your open items.</p>
    </State>
  );
}

function InboxLiveness({ inbox }: { inbox: Inbox }) {
  const { liveness, lastHeard } = useStore(inbox.store);
  return <LivenessLine liveness={liveness} lastHeard={lastHeard} />;
}
