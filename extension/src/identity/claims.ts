// What a token says of its user. Nothing is checked here: that is the API's and Firestore's business.
import { isRecord } from "../api/failures";

export interface Claims {
  userId: string;
  /** null: the account belongs to no clinic. */
  tenantId: string | null;
  /** Milliseconds. */
  expiresAt: number;
}

/** null when it is no token. */
export function readClaims(token: string): Claims | null {
  const claims = readPayload(token);
  if (claims === null || typeof claims.sub !== "string" || typeof claims.exp !== "number") return null;
  return {
    userId: claims.sub,
    tenantId: typeof claims.tenant_id === "string" ? claims.tenant_id : null,
    expiresAt: claims.exp * 1000,
  };
}

/** Whatever the token holds; null when it is no token. */
export function readPayload(token: string): Record<string, unknown> | null {
  try {
    const part = token.split(".")[1] ?? "";
    const bytes = atob(part.replaceAll("-", "+").replaceAll("_", "/"));
    const text = new TextDecoder().decode(Uint8Array.from(bytes, (each) => each.charCodeAt(0)));
    const told: unknown = JSON.parse(text);
    return isRecord(told) ? told : null;
  } catch {
    return null;
  }
}
