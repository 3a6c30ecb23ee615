import { useState } from "preact/hooks";
import { openAuth } from "../../identity/firebase";
import { googleIdToken } from "../../identity/google";
import { signInByGoogle, signInByPassword } from "../../identity/password";
import type { Configuration } from "../configuration";
import { closing } from "./closing";

interface Props {
  configuration: Configuration;
  signedIn(): Promise<void>;
}

/** Sign-in with Firebase Authentication: by e-mail and password, or with Google. */
export function Account({ configuration, signedIn }: Props) {
  const { firebase, emulators, google } = configuration;
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [isBusy, setBusy] = useState(false);

  const attempt = async (signIn: () => Promise<string | null>) => {
    if (isBusy) return;
    setBusy(true);
    setProblem("");
    const told = await signIn().catch(() => "Signing in failed. Try again.");
    setBusy(false);
    if (told !== null) return setProblem(told);
    setPassword("");
    await signedIn();
  };
  const open = () => openAuth(firebase, emulators.auth);
  const byPassword = (event: Event) => {
    event.preventDefault();
    void attempt(() => closing(open, (auth) => signInByPassword(auth, email.trim(), password)));
  };
  const byGoogle = (clientId: string) =>
    attempt(async () => {
      const token = await googleIdToken(clientId);
      if (token === null) return "Google did not say who you are. Try again.";
      return closing(open, (auth) => signInByGoogle(auth, token));
    });

  return (
    <form onSubmit={byPassword} aria-busy={isBusy}>
      <label>
        E-mail address
        <input
          type="email"
          name="email"
          autocomplete="username"
          required
          value={email}
          onInput={(event) => setEmail(event.currentTarget.value)}
        />
      </label>
      <label>
        Password
        <input
          type="password"
          name="password"
          autocomplete="current-password"
          required
          value={password}
          onInput={(event) => setPassword(event.currentTarget.value)}
        />
      </label>
      <p class="problem" role="alert">
        {problem}
      </p>
      <button type="submit" class="main" disabled={isBusy}>
        {isBusy ? "Signing in…" : "Sign in"}
      </button>
      {google && (
        <button type="button" class="second" disabled={isBusy} onClick={() => void byGoogle(google.clientId)}>
          Sign in with Google
        </button>
      )}
    </form>
  );
}
