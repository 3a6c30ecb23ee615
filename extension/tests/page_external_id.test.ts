import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idInAddress } from "../src/page/address";
import { externalId } from "../src/page/external_id";
import { siteMatches } from "../src/page/sites";

const host = "ehr.clinic.example";
const at = (pathname: string, hash = "") => ({ hostname: host, pathname, hash });

describe("an external id", () => {
  test("is taken without the white space around it", () => {
    expect(externalId(" \t\n 1004731\u00a0\ufeff")).toBe("1004731");
  });

  test("is none when it is blank, missing, or holds what the API refuses", () => {
    for (const text of [
      "",
      "   ",
      null,
      undefined,
      "12\n34",
      "1\u0000",
      "7\u007f",
      "\ud800",
      "a".repeat(129),
    ]) {
      expect(externalId(text)).toBeNull();
    }
  });

  test("is counted in characters, as the server counts", () => {
    expect(externalId("𝟙".repeat(128))).toBe("𝟙".repeat(128));
    expect(externalId("𝟙".repeat(129))).toBeNull();
  });

  test("is always one that the API takes, and stays the same when read again", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 140 }), (text) => {
        const id = externalId(text);
        if (id === null) return;
        expect(id.trim()).toBe(id);
        expect([...id].length).toBeGreaterThan(0);
        expect([...id].length).toBeLessThanOrEqual(128);
        expect([...id].every((each) => (each.codePointAt(0) ?? 0) > 0x1f && each !== "\u007f")).toBe(true);
        expect(externalId(id)).toBe(id);
        expect(externalId(` ${id}\n`)).toBe(id);
      }),
    );
  });
});

describe("an id in an address", () => {
  test.each([
    ["/patients/{id}", "/patients/77", "77"],
    ["/patients/{id}", "/patients/77/", "77"],
    ["/patients/{id}", "/patients/a%2Fb", "a/b"],
    ["/patients/{id}", "/patients/77/edit", null],
    ["/patients/{id}", "/patients/", null],
    ["/patients/{id}", "/patients", null],
    ["/patients/{id}", "/Patients/77", null],
    ["/patients/{id}", "/patients/%E0%A4%A", null],
    ["/patients/{id}/chart", "/patients/77/chart", "77"],
    ["/patients/MRN-{id}.html", "/patients/MRN-77.html", "77"],
    ["/patients/MRN-{id}", "/patients/MRN-", null],
    ["/patienten/übersicht/{id}", "/patienten/%C3%BCbersicht/77", "77"],
    // What a regular expression would take for a sign is a sign of the path here.
    ["/p.tients/{id}", "/patients/77", null],
    ["/{id}", "/.*", ".*"],
  ])("%s in %s is %s", (pattern, pathname, id) => {
    expect(idInAddress(pattern, at(pathname))).toBe(id);
  });

  test("may stand behind the number sign, without what follows a question mark", () => {
    expect(idInAddress("/app#/patients/{id}", at("/app", "#/patients/77?tab=2"))).toBe("77");
    expect(idInAddress("/app#/patients/{id}", at("/app"))).toBeNull();
    expect(idInAddress("/app", at("/app", "#/patients/77"))).toBeNull();
  });

  test("is found whatever it is, and in no longer path", () => {
    const segment = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => text.trim() !== "");
    fc.assert(
      fc.property(segment, (id) => {
        const path = `/records/${encodeURIComponent(id)}`;
        expect(idInAddress("/records/{id}", at(path))).toBe(id);
        expect(idInAddress("/records/{id}", at(`${path}/more`))).toBeNull();
        expect(idInAddress("/records/{id}", at(`/more${path}`))).toBeNull();
      }),
    );
  });
});

describe("a site of the policy", () => {
  test.each([
    ["*", "anything.example", true],
    ["ehr.example", "ehr.example", true],
    ["ehr.example", "EHR.example.", true],
    ["ehr.example", "ehr.example:8443", true],
    ["ehr.example", "my.ehr.example", false],
    ["*.ehr.example", "ehr.example", true],
    ["*.ehr.example", "my.ehr.example", true],
    ["*.ehr.example", "notehr.example", false],
    ["ehr.example", "", false],
    ["*.ehr.example", "ehr.example.evil.test", false],
  ])("%s means %s: %s", (pattern, hostname, meant) => {
    expect(siteMatches(pattern, hostname)).toBe(meant);
  });
});
