import type { Persona } from "../../identity/persona";
import type { Configuration } from "../configuration";
import { Account } from "./Account";
import { Personas } from "./Personas";

interface Props {
  configuration: Configuration;
  choose(persona: Persona): Promise<void>;
  signedIn(): Promise<void>;
}

/** What the panel shows while nobody is signed in. */
export function SignIn({ configuration, choose, signedIn }: Props) {
  const { firebase, personas } = configuration;
  const hasAccounts = firebase.apiKey !== undefined;
  return (
    <main class="sign-in">
      <h1>Mobius</h1>
      <p class="quiet">Sign in to see what stands in a patient's way.</p>
      {hasAccounts && <Account configuration={configuration} signedIn={signedIn} />}
      {personas !== undefined && <Personas url={personas} choose={choose} />}
      {!hasAccounts && personas === undefined && (
        <p class="problem">
          Nobody can sign in yet: config.json names neither an API key of Firebase nor synthetic users.
        </p>
      )}
    </main>
  );
}
