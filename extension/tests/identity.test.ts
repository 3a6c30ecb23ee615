import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { readClaims } from "../src/identity/claims";
import { firebaseIdentity } from "../src/identity/firebase";
import { googleIdToken, idTokenIn } from "../src/identity/google";
import { firstOf, type Identity, SomebodyElse } from "../src/identity/identity";
import { sentenceFor } from "../src/identity/password";
import { type Persona, personaIdentity, readPersonas } from "../src/identity/persona";

const HOUR = 3_600_000;

function token(claims: object): string {
  const part = (value: object) =>
    btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(value))))
      .replaceAll("+", "-")
      .replaceAll("/", "_")
      .replace(/=+$/, "");
  return `${part({ alg: "none" })}.${part(claims)}.`;
}

const lasting = (ms: number, sub = "u1") => token({ sub, tenant_id: "t1", exp: (Date.now() + ms) / 1000 });
const DANA = { kind: "persona", userId: "u1", tenantId: "t1" } as const;
const persona = (ms: number): Persona => ({
  userId: "u1",
  tenantId: "t1",
  clinic: "Larkfield",
  displayName: "Dana",
  role: "front_desk",
  token: lasting(ms),
});

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe("a token", () => {
  it("says who and in which clinic, whatever alphabet it holds", () => {
    const text = token({ sub: "u1", tenant_id: "t1", exp: 5, name: "Söre n?~ÿ 🙂" });
    expect(readClaims(text)).toEqual({ userId: "u1", tenantId: "t1", expiresAt: 5_000 });
  });

  it.each(["", "a.b.c", "..", token([]), token({ sub: 1, exp: 1 })])("is none: %s", (text) => {
    expect(readClaims(text)).toBeNull();
  });
});

describe("a persona", () => {
  function signedInAs(start: Persona | null, listed: Persona[]) {
    let kept = start;
    const store = {
      read: async () => kept,
      async write(each: Persona | null) {
        kept = each;
      },
    };
    const list = vi.fn(async () => listed);
    return { identity: personaIdentity(store, list), list, kept: () => kept, store };
  }

  it("keeps its token while it holds", async () => {
    const dana = persona(HOUR);
    const { identity, list } = signedInAs(dana, []);
    expect(await identity.token(DANA)).toBe(dana.token);
    expect(list).not.toHaveBeenCalled();
    expect(await identity.who()).toEqual(DANA);
  });

  it("gets a new token before the old one ends, and when the old one was refused", async () => {
    const fresh = persona(12 * HOUR);
    for (const { start, renew } of [
      { start: persona(60_000), renew: false },
      { start: persona(HOUR), renew: true },
    ]) {
      const { identity, kept } = signedInAs(start, [fresh]);
      expect(await identity.token(DANA, renew)).toBe(fresh.token);
      expect(kept()).toEqual(fresh);
    }
  });

  it("that is not listed any more is nobody", async () => {
    const { identity } = signedInAs(persona(0), [{ ...persona(HOUR), userId: "another" }]);
    await expect(identity.token(DANA)).rejects.toMatchObject({ problem: { status: 401 } });
  });

  it("has no token for anybody else, nor for whoever signed out", async () => {
    const { identity, store } = signedInAs({ ...persona(HOUR), userId: "imre" }, [persona(HOUR)]);
    for (const renew of [false, true]) {
      await expect(identity.token(DANA, renew)).rejects.toBeInstanceOf(SomebodyElse);
    }
    await store.write(null);
    await expect(identity.token(DANA)).rejects.toBeInstanceOf(SomebodyElse);
  });

  it("that is renewed doesn't sign out who signed in meanwhile", async () => {
    const imre = { ...persona(HOUR), userId: "imre" };
    const { identity, list, store, kept } = signedInAs(persona(0), []);
    list.mockImplementation(async () => {
      await store.write(imre);
      return [persona(HOUR)];
    });
    await expect(identity.token(DANA)).rejects.toBeInstanceOf(SomebodyElse);
    expect(kept()).toBe(imre);
  });

  it("list is read with whatever can't be read left out", () => {
    const user = { user_id: "u1", display_name: "Dana", role: "front_desk", token: "t" };
    const clinics = [
      { tenant_id: "t1", name: "Larkfield", users: [user, { ...user, token: 3 }, null] },
      "x",
      {},
    ];
    expect(readPersonas({ clinics }).map((each) => each.displayName)).toEqual(["Dana"]);
    expect(readPersonas([])).toEqual([]);
  });
});

describe("an account of Firebase", () => {
  const open = (uid: string | null) => async () =>
    ({ currentUser: uid === null ? null : { uid, getIdToken: async () => `of ${uid}` } }) as never;

  it("has a token for its own user alone", async () => {
    const whose = { kind: "firebase", userId: "u1", tenantId: "t1" } as const;
    expect(await firebaseIdentity(open("u1")).token(whose)).toBe("of u1");
    for (const uid of ["u2", null]) {
      await expect(firebaseIdentity(open(uid)).token(whose)).rejects.toBeInstanceOf(SomebodyElse);
    }
  });
});

describe("the first identity that is signed in", () => {
  const nobody: Identity = {
    who: async () => null,
    token: () => Promise.reject(new Error()),
    signOut: vi.fn(),
  };
  const somebody: Identity = {
    who: async () => ({ kind: "firebase", userId: "u", tenantId: "t" }),
    token: async () => "token",
    signOut: vi.fn(),
  };

  it("is asked", async () => {
    expect(await firstOf(nobody, somebody).token(DANA)).toBe("token");
    expect((await firstOf(nobody, somebody).who())?.userId).toBe("u");
  });

  it("is nobody without any", async () => {
    expect(await firstOf().who()).toBeNull();
    await expect(firstOf(nobody).token(DANA)).rejects.toBeInstanceOf(SomebodyElse);
  });

  it("signs out of all of them", async () => {
    await firstOf(nobody, somebody).signOut();
    expect(nobody.signOut).toHaveBeenCalled();
    expect(somebody.signOut).toHaveBeenCalled();
  });
});

describe("Google", () => {
  const redirect = "https://abc.chromiumapp.org/";
  const flow = (answer: (asked: URLSearchParams) => string) => ({
    getRedirectURL: () => redirect,
    launchWebAuthFlow: async ({ url }: { url: string }) => answer(new URL(url).searchParams),
  });

  it("is believed when it answers what we asked", async () => {
    const own = flow((asked) => {
      expect(asked.get("response_type")).toBe("id_token");
      expect(asked.get("redirect_uri")).toBe(redirect);
      const answer = token({ sub: "g", nonce: asked.get("nonce") });
      return `${redirect}#state=${asked.get("state")}&id_token=${answer}`;
    });
    expect(readClaims((await googleIdToken("client", own)) ?? "")).toBeNull();
    expect(await googleIdToken("client", own)).toMatch(/^ey/);
  });

  it.each([
    ["another nonce", `${redirect}#state=s&id_token=${token({ nonce: "old" })}`],
    ["another state", `${redirect}#state=x&id_token=${token({ nonce: "n" })}`],
    ["no token", `${redirect}#state=s&error=access_denied`],
    ["no address", "nonsense"],
  ])("is not with %s", (_, returned) => {
    expect(idTokenIn(returned, "n", "s")).toBeNull();
  });

  it("was closed by the person", async () => {
    const closed = {
      getRedirectURL: () => redirect,
      launchWebAuthFlow: () => Promise.reject(new Error("The user did not approve access.")),
    };
    expect(await googleIdToken("client", closed)).toBeNull();
  });
});

describe("a failed sign-in", () => {
  it("is told as a sentence, and doesn't tell whether the account exists", () => {
    expect(sentenceFor("auth/user-not-found")).toBe(sentenceFor("auth/wrong-password"));
    for (const code of ["auth/anything", undefined, 3]) expect(sentenceFor(code)).toMatch(/^[A-Z].*\.$/);
  });
});
