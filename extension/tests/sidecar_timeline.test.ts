import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { wordsOf } from "../src/sidecar/event_words";
import { joined, kindOf, told } from "../src/sidecar/timeline";
import { event } from "./sidecar_fakes";

const ledger = Array.from({ length: 60 }, (_, number) => event(60 - number));

describe("joining pages of a timeline", () => {
  test("newest events go before the known ones, whatever the pages, and none is told twice or lost", () => {
    fc.assert(
      fc.property(
        fc.nat(20),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 39 }),
        (at, length, more) => {
          const known = ledger.slice(at, at + more);
          const newest = ledger.slice(0, length);
          const whole = joined(newest, known);
          if (length < at + 1) expect(whole).toBeNull();
          else expect(whole).toEqual(ledger.slice(0, Math.max(length, at + more)));
        },
      ),
    );
  });

  test("nothing known yet: the newest events are all", () => {
    expect(joined(ledger.slice(0, 3), [])).toEqual(ledger.slice(0, 3));
  });

  test("the newer telling of an event counts: a note may have come or gone", () => {
    const noted = { ...ledger[0], note: "Called." } as (typeof ledger)[number];
    expect(joined([noted], ledger.slice(0, 2))?.[0]?.note).toBe("Called.");
  });
});

describe("lines", () => {
  const actor = { user_id: "u", display_name: "Dana Whitlow" };
  const same = { actor, correlation_id: "one" };

  test("what followed from a deed stands below it", () => {
    const events = [
      event(3, "Assignment.Resolved", { reason_code: "coverage" }, same),
      event(2, "Outcome.Computed", { outcome: "acknowledged" }, same),
      event(1, "User.Acknowledged", { override_proceed: "yellow", confirmed: true }, same),
      event(0),
    ];
    expect(told(events, null).map((line) => [line.event.event_type, line.follows])).toEqual([
      ["User.Acknowledged", false],
      ["Outcome.Computed", true],
      ["Assignment.Resolved", true],
      ["System.Response", false],
    ]);
  });

  test("looks of one person in a row are one line", () => {
    const look = (number: number, who = actor) =>
      event(number, "User.Interaction", { kind: "viewed", surface: "mini" }, { actor: who });
    const lines = told([look(4), look(3), look(2, { ...actor, user_id: "v" }), look(1)], null);
    expect(lines.map((line) => line.times)).toEqual([2, 1, 1]);
  });

  test("every event is in exactly one kind, and all of them in everything", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...Object.keys(SENTENCES), "Moon.Landed")), (types) => {
        const events = types.map((type, number) => event(number, type));
        const count = (lines: { times: number }[]) => lines.reduce((sum, line) => sum + line.times, 0);
        expect(count(told(events, null))).toBe(events.length);
        const kinds = [...new Set(events.map(kindOf))];
        expect(kinds.reduce((sum, kind) => sum + count(told(events, kind)), 0)).toBe(events.length);
      }),
    );
  });
});

/** Every event type of shared/ledger/events.py with a payload as it stands there. */
const SENTENCES: Record<string, [Record<string, string | number | boolean | string[] | null>, RegExp]> = {
  "System.Response": [
    { proceed_indicator: "yellow", task_count: 2, needs_ack: true, execution_mode: "copilot" },
    /^Proceed Yellow · 2 tasks · copilot · acknowledgement needed$/,
  ],
  "User.Acknowledged": [
    { override_proceed: "green", override_tasking: "none", confirmed: false, superseded: true },
    /^Dana acknowledged and asserted Proceed Green and tasking None · answered an earlier response$/,
  ],
  "User.Dismissed": [{ reason: "not_now" }, /^Dana dismissed the response · Not now$/],
  "User.Interaction": [{ kind: "viewed", surface: "mini" }, /^Dana viewed the patient in Mini$/],
  "User.Searched": [{ result_count: 1 }, /^Dana found the patient in a search · 1 result$/],
  "Glass.Broken": [
    { reason: "covering", lasts_s: 3600 },
    /^Dana broke the glass .* · Covering for somebody · for 60 min$/,
  ],
  "Outcome.Computed": [
    { outcome: "unacknowledged" },
    /^Outcome: unacknowledged · no acknowledgement had come/,
  ],
  "Assignment.Created": [
    { reason_code: "prior_auth", assigned_to_role: "billing_lead" },
    /^Open item for prior auth assigned to the role billing lead$/,
  ],
  "Assignment.Claimed": [{ reason_code: "claim" }, /^Dana claimed the item for claim$/],
  "Assignment.Reassigned": [{ reason_code: "claim", assigned_to_user: "u" }, /handed over to one user$/],
  "Assignment.Resolved": [{ reason_code: "claim", status: "dismissed" }, /^Open item for claim dismissed$/],
  "Patient.Updated": [{ changed_signals: ["claim.denied"] }, /^1 signal changed · claim denied$/],
  "Patient.Erased": [
    { scope: "texts", reason: "retention", note_count: 1, explanation_count: 0 },
    /^What people wrote about the patient was erased · retention · 1 note, 0 explanations$/,
  ],
  "Version.Raised": [{ lost_version: 3, version: 9 }, /restored .* up to version 3 was lost; now version 9$/],
  "Access.Denied": [{ reason: "role", surface: "sidecar" }, /^Dana was refused in Sidecar · role$/],
  "Access.Changed": [
    { role: "front_desk", status: "active" },
    /^A user's access changed · front desk, active$/,
  ],
  "Ledger.Read": [{ kind: "export", event_count: 4 }, /^An operator exported the ledger · 4 events$/],
  "Policy.Published": [{ version: 2 }, /^Policy version 2 was published$/],
  "Tenant.Exported": [{ patient_count: 1, event_count: 2 }, /1 patient · 2 events$/],
  "Tenant.Closed": [{}, /^The tenant was closed$/],
  "Tenant.Erased": [{}, /^Everything that tells of the tenant was erased$/],
};

describe("words", () => {
  test.each(Object.entries(SENTENCES))("%s is a sentence", (type, [payload, sentence]) => {
    const said = event(1, type, payload, { actor: { user_id: "u", display_name: "Dana" } });
    const { text, more } = wordsOf(said, [said]);
    expect(more ? `${text} · ${more}` : text).toMatch(sentence);
  });

  test("an unknown event says what it can, and no ids", () => {
    const payload = { moon_id: "x", digest_hash: "y", landed_on: "sea_of_tranquility", count: 3 };
    const said = event(1, "Moon.Landed", payload);
    expect(wordsOf(said, [said])).toEqual({
      text: "Moon landed",
      more: "number: 1 · landed on: sea of tranquility · count: 3",
    });
  });

  test("a change of the indicator says from what to what, an override what the system had said", () => {
    const first = event(1, "System.Response", { proceed_indicator: "grey", system_response_id: "r1" });
    const second = event(2, "System.Response", { proceed_indicator: "yellow", system_response_id: "r2" });
    const sent = event(3, "User.Acknowledged", { override_proceed: "green", system_response_id: "r2" });
    const all = [sent, second, first];
    expect(wordsOf(second, all).text).toBe("Proceed went from Grey to Yellow");
    expect(wordsOf(sent, all).more).toBe("the system said Yellow");
  });

  test("no payload makes it throw", () => {
    const value = fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null), fc.array(fc.string()));
    fc.assert(
      fc.property(
        fc.constantFrom(...Object.keys(SENTENCES), "X"),
        fc.dictionary(fc.string(), value),
        (type, payload) => {
          expect(wordsOf(event(1, type, payload), []).text).not.toBe("");
        },
      ),
    );
  });
});
