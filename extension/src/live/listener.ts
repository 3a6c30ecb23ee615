// A listener that comes back by itself, and says how far it is to be trusted.
import type { Heard, Unsubscribe } from "../ports";
import { afterError, afterTold, type Guard, type Told, waiting } from "./hearing";
import type { Hear } from "./hub";

/** Starts to listen once; after `broke` nothing more is told. */
export type Start<T> = (tell: (told: Told<T>) => void, broke: (code: string) => void) => Unsubscribe;

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 60_000;

/** The machine's network, where there is one to ask. */
export interface Network {
  isOnline(): boolean;
  onChange(act: () => void): Unsubscribe;
}

/** Listens until it is stopped. */
export function listenOn<T>(start: Start<T>, hear: Hear<T>, network: Network, guard?: Guard<T>): Unsubscribe {
  let last: Heard<T> = { liveness: "connecting", document: undefined };
  let stop: Unsubscribe = () => {};
  let retry: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let round = 0;

  const tell = (heard: Heard<T>) => {
    last = heard;
    hear(heard);
  };
  const begin = () => {
    clearTimeout(retry);
    stop();
    round += 1;
    const own = round;
    stop = start(
      (told) => {
        if (own !== round) return;
        if (!told.fromCache) failures = 0;
        tell(afterTold(last, told, network.isOnline(), guard));
      },
      (code) => {
        if (own !== round) return;
        tell(afterError(last, code, network.isOnline()));
        retry = setTimeout(begin, patience(failures));
        failures += 1;
      },
    );
  };
  tell({ ...last, liveness: waiting(last, network.isOnline()) });
  const ignore = network.onChange(() => {
    if (last.liveness !== "refused") tell({ ...last, liveness: waiting(last, network.isOnline()) });
    // Firestore may not have noticed that the network was away: a new listener's first word is the server's.
    if (network.isOnline()) begin();
  });
  begin();
  return () => {
    round += 1;
    clearTimeout(retry);
    ignore();
    stop();
  };
}

const patience = (failures: number): number =>
  Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures) * (0.75 + Math.random() / 2);

/** The network as the browser sees it. */
export const browserNetwork: Network = {
  isOnline: () => navigator.onLine,
  onChange(act) {
    addEventListener("online", act);
    addEventListener("offline", act);
    return () => {
      removeEventListener("online", act);
      removeEventListener("offline", act);
    };
  },
};
