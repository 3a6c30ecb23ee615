// Keeps a surface told of its session: asks for the configuration until it comes, and again now and then, for a
// policy may change while the page is open.
import { ApiProblem } from "../api/problem";
import type { Config } from "../api/types";
import type { Session } from "../ports";

const AGAIN_MS = 60_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 8_000;

/** Calls `become` with each change of the session; returns what ends it. */
export function keepSignedIn(ask: () => Promise<Config>, become: (session: Session) => void): () => void {
  let ended = false;
  let waiting: ReturnType<typeof setTimeout> | undefined;
  let failures = 0;
  let told: Session = { state: "starting" };

  async function once(): Promise<void> {
    const session = await ask().then(signedIn, refused);
    if (ended) return;
    failures = session.state === "signed_in" ? 0 : failures + 1;
    // Whoever is signed in stays so while the stack is away: the surface itself says that it isn't live.
    const stays = session.state === "unreachable" && told.state === "signed_in";
    if (!stays && JSON.stringify(session) !== JSON.stringify(told)) {
      told = session;
      become(session);
    }
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
    waiting = setTimeout(once, failures === 0 ? AGAIN_MS : pause);
  }

  become(told);
  void once();
  return () => {
    ended = true;
    clearTimeout(waiting);
  };
}

const signedIn = (config: Config): Session => ({ state: "signed_in", config });

function refused(problem: unknown): Session {
  if (problem instanceof ApiProblem && problem.status === 401) return { state: "signed_out" };
  return {
    state: "unreachable",
    problem: problem instanceof Error ? problem.message : "Something went wrong.",
  };
}
