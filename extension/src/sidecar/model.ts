// What Sidecar is about at any moment: who is signed in, which patient, whose open items. One patient at a time; the
// page says which, until somebody opens another one by hand.
import type { Config, RequestOf, SidecarState } from "../api/types";
import type { PresenceDocument } from "../live/documents";
import type { Session, Sighting, Surroundings } from "../ports";
import { documentVisible, type Visible } from "./asking";
import { type Chat, createChat } from "./chat";
import { type Inbox, openInbox } from "./inbox";
import { openPatient, type Patient } from "./patient";
import { createStore, type Store } from "./store";

export interface SidecarView {
  session: Session;
  /** Of the user who is signed in, as last told. */
  config: Config | null;
  /** The patient on the page. */
  pageKey: string | null;
  /** The patient who was opened by hand, which goes before the page's. */
  handKey: string | null;
  patient: Patient | null;
  chat: Chat | null;
  /** null for a role that has no Sidecar. */
  inbox: Inbox | null;
  /** Names of the users that were met in this session, by user id. */
  people: ReadonlyMap<string, string>;
  /** Names of the patients that this session has opened, by patient key. Never stored. */
  opened: ReadonlyMap<string, string>;
}

export interface Model {
  readonly store: Store<SidecarView>;
  readonly surroundings: Surroundings;
  become(session: Session): void;
  show(sighting: Sighting | null): void;
  open(patientKey: string): void;
  /** Back to the patient on the page. */
  back(): void;
  end(): void;
}

type InteractionKind = RequestOf<"sidecar/interaction">["kind"];

export function createModel(surroundings: Surroundings, visible: Visible = documentVisible): Model {
  const { api, sessionId: session_id } = surroundings;
  const store = createStore<SidecarView>({
    session: { state: "starting" },
    config: null,
    pageKey: null,
    handKey: null,
    patient: null,
    chat: null,
    inbox: null,
    people: new Map(),
    opened: new Map(),
  });
  let chats = new Map<string, Chat>();
  let wasSeen = false;
  let isOver = false;

  /** Nobody waits for it, and nobody is told when it got lost: it commits nothing. */
  function interact(kind: InteractionKind, patientKey: string | null): void {
    api.call("sidecar/interaction", { session_id, kind, patient_key: patientKey }).catch(() => undefined);
  }

  function learnPeople(them: Iterable<readonly [string, string]>): void {
    const { people } = store.get();
    const news = [...them].filter(([id, name]) => name !== "" && people.get(id) !== name);
    if (news.length > 0) store.set({ people: new Map([...people, ...news]) });
  }

  function learnAnswer(patientKey: string, answer: SidecarState): void {
    const { snapshot, last_submission: last } = answer.patient_state;
    const actors = answer.history.flatMap(({ actor }) =>
      actor ? [[actor.user_id, actor.display_name] as const] : [],
    );
    learnPeople(last ? [...actors, [last.user_id, last.user_display_name]] : actors);
    const { opened, inbox } = store.get();
    const name = snapshot?.display_name;
    if (name && opened.get(patientKey) !== name) store.set({ opened: new Map(opened).set(patientKey, name) });
    // The answer counts the open items, too: a listener that got lost is found out by it.
    const { isKnown, openCount } = inbox?.store.get() ?? {};
    if (isKnown && openCount !== answer.inbox_preview.open_count) inbox?.soon();
  }

  const learnPresence = (here: readonly PresenceDocument[]): void =>
    learnPeople(here.map((each) => [each.user_id, each.user_display_name] as const));

  function leave(next: string | null): void {
    const { patient } = store.get();
    if (patient === null) return;
    const wasShown = patient.store.get().shown !== null;
    patient.end();
    if (wasShown) interact(next === null ? "navigated" : "switched", patient.patientKey);
  }

  function enter(patientKey: string, as: Config): Patient {
    let isOpened = false;
    const patient = openPatient({
      surroundings,
      config: as,
      patientKey,
      visible,
      onAnswer(answer) {
        wasSeen = true;
        if (answer.patient_state.found && !isOpened && as.permissions.sidecar) interact("opened", patientKey);
        isOpened = true;
        learnAnswer(patientKey, answer);
      },
      onPresence: learnPresence,
      onLateAnswer() {
        const { patient: next, config: still } = store.get();
        if (next) next.refresh();
        else if (still) interact("navigated", patientKey);
      },
    });
    return patient;
  }

  /** Has the patient shown whom page and hand ask for. */
  function follow(): void {
    const { config, pageKey, handKey, patient: before } = store.get();
    const wanted = config === null ? null : (handKey ?? pageKey);
    if (wanted === (before?.patientKey ?? null)) return;
    leave(wanted);
    if (wanted === null || config === null) {
      store.set({ patient: null, chat: null });
    } else {
      const chat = chats.get(wanted) ?? createChat(surroundings, wanted);
      chats.set(wanted, chat);
      // First the old one goes, for what the new one is told at once is about another patient.
      store.set({ patient: null, chat });
      store.set({ patient: enter(wanted, config) });
    }
    surroundings.shows?.(wanted);
  }

  /** Another user, or none: nothing of the one before stays. */
  function forget(): void {
    const { patient, inbox } = store.get();
    patient?.end();
    inbox?.end();
    chats = new Map();
    const people = new Map();
    store.set({
      config: null,
      patient: null,
      chat: null,
      inbox: null,
      handKey: null,
      people,
      opened: new Map(),
    });
  }

  function become(session: Session): void {
    if (isOver) return;
    if (session.state === "signed_out") forget();
    const { config: before, handKey } = store.get();
    if (session.state === "signed_in" && !isSame(before, session.config)) {
      const { config } = session;
      const { user, permissions } = config;
      forget();
      store.set({
        config,
        inbox: permissions.sidecar ? openInbox(surroundings, config, visible) : null,
        handKey: before?.user.user_id === user.user_id ? handKey : null,
        people: new Map([[user.user_id, user.display_name]]),
      });
    }
    store.set({ session });
    follow();
  }

  return {
    store,
    surroundings,
    become,
    show(sighting) {
      // What a page shows is resolved by Mini; Sidecar is told of it by its key.
      const pageKey = sighting?.kind === "picked" ? sighting.patientKey : null;
      if (pageKey === store.get().pageKey) return;
      // Somebody who turns to another patient in their application means that one. A page of nobody takes nothing away.
      const handKey = pageKey === null ? store.get().handKey : null;
      store.set({ pageKey, handKey });
      follow();
    },
    open(patientKey) {
      store.set({ handKey: patientKey === store.get().pageKey ? null : patientKey });
      follow();
    },
    back() {
      store.set({ handKey: null });
      follow();
    },
    end() {
      if (isOver) return;
      isOver = true;
      const isSignedIn = store.get().config !== null;
      forget();
      if (isSignedIn && wasSeen) interact("closed", null);
    },
  };
}

/** Whether a renewed configuration leaves everything as it is. */
function isSame(before: Config | null, after: Config): boolean {
  if (before === null) return false;
  const told = ({ user, permissions, policy_version: version, variant, timers }: Config) =>
    JSON.stringify([user, permissions, version, variant, timers]);
  return told(before) === told(after);
}
