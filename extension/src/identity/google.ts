// Sign-in with Google: Chrome shows Google's own page and hands us the address to which it returns.
import { readPayload } from "./claims";

const AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth";

/** An ID token for Firebase; null when the person closed Google's page. */
export async function googleIdToken(
  clientId: string,
  flow: Pick<typeof chrome.identity, "getRedirectURL" | "launchWebAuthFlow"> = chrome.identity,
): Promise<string | null> {
  const nonce = crypto.randomUUID();
  const state = crypto.randomUUID();
  const url = new URL(AUTHORIZE);
  url.search = new URLSearchParams({
    client_id: clientId,
    response_type: "id_token",
    redirect_uri: flow.getRedirectURL(),
    scope: "openid email",
    prompt: "select_account",
    nonce,
    state,
  }).toString();
  const returned = await flow
    .launchWebAuthFlow({ url: url.toString(), interactive: true })
    .catch(() => undefined);
  return returned === undefined ? null : idTokenIn(returned, nonce, state);
}

/** The token of the address that Google returned to, if it answers what we asked for; else null. */
export function idTokenIn(returned: string, nonce: string, state: string): string | null {
  const fragment = URL.canParse(returned) ? new URL(returned).hash.slice(1) : "";
  const answer = new URLSearchParams(fragment);
  const token = answer.get("id_token");
  if (token === null || answer.get("state") !== state) return null;
  return readPayload(token)?.nonce === nonce ? token : null;
}
