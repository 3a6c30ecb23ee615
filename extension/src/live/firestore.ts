// The documents as Firestore pushes them. Kept in memory only.
import { deleteApp, initializeApp } from "firebase/app";
import type { Auth } from "firebase/auth";
import {
  collection,
  connectFirestoreEmulator,
  type DocumentReference,
  disableNetwork,
  doc,
  enableNetwork,
  type Firestore,
  initializeFirestore,
  memoryLocalCache,
  onSnapshot,
  query,
  setLogLevel,
  terminate,
  where,
} from "firebase/firestore";
import type { Live } from "../ports";
import type { PatientStateDocument, PresenceDocument, UserInboxDocument } from "./documents";
import type { Guard } from "./hearing";
import { Hub } from "./hub";
import { browserNetwork, listenOn, type Network, type Start } from "./listener";
import { keepNothing } from "./no_store";
import { patientStateOf, plain } from "./plain";
import { withoutExpired } from "./present";
import { watchReach } from "./reach";

export interface FirebaseOptions {
  projectId: string;
  apiKey?: string;
  authDomain?: string;
  appId?: string;
}

export interface FirestoreLiveOptions {
  /** Of its Firebase app: another one for each that lives at the same time. */
  name: string;
  firebase: FirebaseOptions;
  /** `127.0.0.1:8080` */
  emulatorHost?: string;
  /** A persona's token is for the emulator only. */
  identity: { kind: "persona"; token: string } | { kind: "firebase"; auth: Auth };
  tenantId: string;
  userId: string;
  network?: Network;
  /** In place of a look at the server; for tests. */
  reach?: typeof watchReach;
}

export interface FirestoreLive extends Live {
  /** Ends every listener and forgets all that was heard. */
  end(): Promise<void>;
}

const SERVICE = "https://firestore.googleapis.com/";

// What it would say on the console names documents, and so patient keys.
setLogLevel("silent");

export function firestoreLive(options: FirestoreLiveOptions): FirestoreLive {
  keepNothing();
  const { identity, tenantId, userId, network = browserNetwork, reach = watchReach } = options;
  const own = identity.kind === "persona" ? initializeApp(options.firebase, options.name) : null;
  const app = own ?? (identity.kind === "firebase" ? identity.auth.app : null);
  if (app === null) throw new TypeError("an identity has an app");
  const db = initializeFirestore(app, { localCache: memoryLocalCache() });
  if (options.emulatorHost) connect(db, options.emulatorHost, identity);
  // Told so, Firestore's client says at once that nothing is confirmed, and then comes back without delay.
  const unwatch = reach({
    url: options.emulatorHost ? `http://${options.emulatorHost}/` : SERVICE,
    changed: (isReached) => void (isReached ? enableNetwork(db) : disableNetwork(db)).catch(() => {}),
  });
  const guards = new Map<string, Guard<PatientStateDocument>>();

  const patients = new Hub<PatientStateDocument>((patientKey, hear) => {
    const guard = guards.get(patientKey) ?? { versionOf: ({ version }) => version, floor: 0 };
    guards.set(patientKey, guard);
    const at = doc(db, "tenants", tenantId, "patient_state", patientKey);
    return listenOn(document(at, patientStateOf), hear, network, guard);
  });
  const inbox = new Hub<UserInboxDocument>((user, hear) => {
    const at = doc(db, "tenants", tenantId, "user_inbox", user);
    return listenOn(
      document(at, (data) => plain(data) as UserInboxDocument),
      hear,
      network,
    );
  });
  const presence = new Hub<PresenceDocument[]>((patientKey, hear) => {
    const present = withoutExpired(hear);
    const stop = listenOn(presenceOf(db, tenantId, patientKey), present.hear, network);
    return () => {
      stop();
      present.stop();
    };
  });

  return {
    patientState: (patientKey, hear) => patients.subscribe(patientKey, hear),
    userInbox: (hear) => inbox.subscribe(userId, hear),
    presence: (patientKey, hear) => presence.subscribe(patientKey, hear),
    async end() {
      unwatch();
      for (const hub of [patients, inbox, presence] as { end(): void }[]) hub.end();
      guards.clear();
      await terminate(db);
      if (own) await deleteApp(own);
    },
  };
}

function connect(db: Firestore, emulatorHost: string, identity: FirestoreLiveOptions["identity"]): void {
  const { hostname, port } = new URL(`http://${emulatorHost}`);
  const persona = identity.kind === "persona" ? { mockUserToken: identity.token } : {};
  connectFirestoreEmulator(db, hostname, Number(port), persona);
}

const document =
  <T>(at: DocumentReference, read: (data: unknown) => T): Start<T> =>
  (tell, broke) =>
    onSnapshot(
      at,
      { includeMetadataChanges: true },
      (told) =>
        tell({ document: told.exists() ? read(told.data()) : null, fromCache: told.metadata.fromCache }),
      (error) => broke(error.code),
    );

const presenceOf =
  (db: Firestore, tenantId: string, patientKey: string): Start<PresenceDocument[]> =>
  (tell, broke) =>
    onSnapshot(
      query(
        collection(db, "tenants", tenantId, "invocation_presence"),
        where("patient_key", "==", patientKey),
      ),
      { includeMetadataChanges: true },
      ({ docs, metadata }) =>
        tell({
          // An empty answer of the cache says nothing of who is here.
          document:
            metadata.fromCache && docs.length === 0
              ? null
              : docs.map((each) => plain(each.data()) as PresenceDocument),
          fromCache: metadata.fromCache,
        }),
      (error) => broke(error.code),
    );
