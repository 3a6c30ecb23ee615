import type { RefObject } from "preact";
import type { Persona } from "../../identity/persona";
import type { Session } from "../../ports";
import type { Configuration } from "../configuration";
import { SignIn } from "./SignIn";
import { Sites } from "./Sites";

interface Props {
  session: Session;
  isSignedIn: boolean;
  /** A text: what is wrong with it. */
  configuration: Configuration | string | null;
  /** Where Sidecar is drawn. */
  sidecar: RefObject<HTMLDivElement>;
  choose(persona: Persona): Promise<void>;
  signedIn(): Promise<void>;
  signOut(): void;
}

/** The panel around Sidecar: sign-in, what Chrome must still allow, and who is signed in. */
export function Panel({ session, isSignedIn, configuration, sidecar, choose, signedIn, signOut }: Props) {
  const isOut = session.state === "signed_out";
  const isBroken = typeof configuration === "string";
  const config = session.state === "signed_in" ? session.config : null;
  return (
    <div class="mobius panel">
      {isBroken && (
        <p class="problem broken" role="alert">
          {configuration}
        </p>
      )}
      {isOut && configuration !== null && !isBroken && (
        <SignIn configuration={configuration} choose={choose} signedIn={signedIn} />
      )}
      {config && <Sites config={config} />}
      <main class="sidecar" hidden={isOut || isBroken}>
        <h1 class="spoken">Mobius Sidecar</h1>
        <div class="drawn" ref={sidecar} />
      </main>
      {isSignedIn && (
        <footer>
          <span class="cut" title={config?.user.display_name}>
            {config ? `${config.user.display_name} · ${config.user.role.replaceAll("_", " ")}` : "Signed in"}
          </span>
          <button type="button" class="plain" onClick={signOut}>
            Sign out
          </button>
        </footer>
      )}
    </div>
  );
}
