import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { AssertedProceed, AssertedTasking, ProceedIndicator } from "../src/api/types";
import {
  type Answered,
  answeredBy,
  type Chosen,
  changed,
  contentOf,
  type Draft,
  EMPTY,
  isDirty,
  isSuperseded,
  isTried,
  lacksOf,
  NOTE_LIMIT,
  noteAsSent,
  tried,
} from "../src/send/draft";
import { draftFrom } from "../src/send/stored_draft";

const proceed = fc.constantFrom<ProceedIndicator>("grey", "green", "yellow", "blue");
const asserted = fc.constantFrom<AssertedProceed>("grey", "green", "yellow");
const tasking = fc.constantFrom<AssertedTasking>("none", "review", "act");
const note = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", " ", "\n\t", "\u001c\u0085", "Called"),
);
const answered: fc.Arbitrary<Answered> = fc.record({
  responseId: fc.oneof(fc.constant(null), fc.constantFrom("r1", "r2", "r3")),
  proceed,
});
const chosen: fc.Arbitrary<Chosen> = fc.record({
  note,
  proceed: fc.option(asserted, { nil: null }),
  tasking: fc.option(tasking, { nil: null }),
});
const key = () => crypto.randomUUID();
const drafted = (what: Chosen, showing: Answered): Draft => changed(EMPTY, what, showing);
/** The draft once its Send, which may override, got lost. */
const lost = (draft: Draft, answers: Answered) => ({
  ...draft,
  attempt: tried(draft, contentOf(draft, answers, true), answers, key),
});

// The API's own rule for a note (shared/web/field_types.py), as its OpenAPI document has it.
// biome-ignore lint/suspicious/noControlCharactersInRegex: it is the API's.
const API_NOTE = /^[\s\x1c-\x1f\x85\ufeff]*[^\s\x1c-\x1f\x85\ufeff\x00][^\x00]*$/;

describe("what a Send says", () => {
  it("is taken by the API whenever nothing is lacking", () => {
    fc.assert(
      fc.property(chosen, answered, fc.boolean(), (what, showing, mayOverride) => {
        const content = contentOf(drafted(what, showing), showing, mayOverride);
        if (lacksOf(content).length > 0) return;
        expect(content.note_text).toMatch(API_NOTE);
        expect([...content.note_text].length).toBeLessThanOrEqual(NOTE_LIMIT);
        expect(content.override_proceed ?? content.override_tasking).not.toBeNull();
        expect(content.system_response_id).not.toBeNull();
        expect(new TextDecoder().decode(new TextEncoder().encode(content.note_text))).toBe(content.note_text);
      }),
    );
  });

  it("follows the system where the user left the preset alone, and stays where they chose", () => {
    fc.assert(
      fc.property(chosen, answered, answered, (what, before, after) => {
        const content = contentOf(drafted(what, before), after, true);
        const preset = after.proceed === "blue" ? null : after.proceed;
        expect(content.override_proceed).toBe(what.proceed ?? preset);
        expect(content.override_tasking).toBe(what.tasking);
      }),
    );
  });

  it("only confirms for a role that may not override, whatever a draft holds", () => {
    fc.assert(
      fc.property(chosen, answered, (what, showing) => {
        const content = contentOf(drafted(what, showing), showing, false);
        expect(content.override_tasking).toBeNull();
        expect(content.override_proceed).toBe(showing.proceed === "blue" ? null : showing.proceed);
      }),
    );
  });

  it("lacks a note when there are only blanks", () => {
    for (const blank of ["", " ", "\n", "\t \r\n", "\u001c\u001f", "\u0085", "\ufeff", "\u00a0\u2003"]) {
      const showing: Answered = { responseId: "r1", proceed: "yellow" };
      expect(
        lacksOf(contentOf(drafted({ note: blank, proceed: null, tasking: null }, showing), showing, true)),
      ).toEqual(["note_missing"]);
    }
  });

  it("counts characters as the API does, so that 4,000 emoji are not too long", () => {
    const showing: Answered = { responseId: "r1", proceed: "yellow" };
    const lacks = (text: string) =>
      lacksOf(contentOf(drafted({ note: text, proceed: null, tasking: null }, showing), showing, true));
    expect(lacks("🙂".repeat(4000))).toEqual([]);
    expect(lacks("🙂".repeat(4001))).toEqual(["note_too_long"]);
  });

  it("asserts nothing for blue until the user chooses", () => {
    const showing: Answered = { responseId: "r1", proceed: "blue" };
    const draft = drafted({ note: "x", proceed: null, tasking: null }, showing);
    expect(lacksOf(contentOf(draft, showing, true))).toEqual(["nothing_asserted"]);
    expect(lacksOf(contentOf(changed(draft, { tasking: "act" }, showing), showing, true))).toEqual([]);
  });
});

describe("a tried Send", () => {
  it("is repeated with the same key and the same words, whatever the system says meanwhile", () => {
    fc.assert(
      fc.property(chosen, answered, answered, (what, before, after) => {
        const first = lost(drafted(what, before), before);
        const answers = answeredBy(first, after, true);
        const again = lost(first, answers);
        expect(again.attempt.key).toBe(first.attempt.key);
        expect(contentOf(again, answers, true)).toEqual(contentOf(first, before, true));
      }),
    );
  });

  it("gets another key once its content changes, and its own again once the change is taken back", () => {
    fc.assert(
      fc.property(chosen, answered, chosen, (what, showing, other) => {
        const first = lost(drafted(what, showing), showing);
        const edited = changed(first, other, showing);
        const second = lost(edited, answeredBy(edited, showing, true));
        const says = (each: Draft) => JSON.stringify(contentOf(each, showing, true));
        const same = noteAsSent(what.note) === noteAsSent(other.note);
        if (says(edited) !== says(first)) expect(second.attempt.key).not.toBe(first.attempt.key);
        if (same && what.proceed === other.proceed && what.tasking === other.tasking) {
          expect(second.attempt.key).toBe(first.attempt.key);
        }
        const back = lost(changed(edited, what, showing), showing);
        expect(back.attempt.key).toBe(first.attempt.key);
      }),
    );
  });

  it("is another one where the role that may override no more says something else, and only there", () => {
    fc.assert(
      fc.property(chosen, answered, (what, showing) => {
        const first = lost(drafted(what, showing), showing);
        const content = contentOf(first, showing, false);
        const same = JSON.stringify(content) === JSON.stringify(first.attempt.content);
        expect(isTried(first, false)).toBe(same);
        expect(tried(first, content, showing, key).key === first.attempt.key).toBe(same);
      }),
    );
  });

  it("answers what shows again once it was edited", () => {
    const before: Answered = { responseId: "r1", proceed: "yellow" };
    const after: Answered = { responseId: "r2", proceed: "green" };
    const first = lost(drafted({ note: "x", proceed: null, tasking: null }, before), before);
    expect(answeredBy(first, after, true)).toEqual(before);
    expect(answeredBy(changed(first, { note: "y" }, after), after, true)).toEqual(after);
  });
});

describe("a draft", () => {
  it("remembers the response that it was begun on until it is empty again", () => {
    const one: Answered = { responseId: "r1", proceed: "yellow" };
    const two: Answered = { responseId: "r2", proceed: "green" };
    const begun = changed(EMPTY, { note: "x" }, one);
    expect(isSuperseded(begun, one)).toBe(false);
    expect(isSuperseded(changed(begun, { note: "xy" }, two), two)).toBe(true);
    const emptied = changed(begun, { note: "" }, two);
    expect(isDirty(emptied)).toBe(false);
    expect(isSuperseded(changed(emptied, { note: "z" }, two), two)).toBe(false);
  });

  it("comes back from storage as it went in", () => {
    fc.assert(
      fc.property(chosen, answered, fc.boolean(), (what, showing, sent) => {
        const draft = drafted(what, showing);
        const stored = sent ? lost(draft, showing) : draft;
        expect(draftFrom(structuredClone(stored))).toEqual(stored);
      }),
    );
  });

  it("is not made of whatever else is in storage", () => {
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        const draft = draftFrom(anything);
        if (draft !== null) expect(typeof draft.note).toBe("string");
      }),
    );
    const good = { note: "x", proceed: null, tasking: null, begunOn: null, attempt: null };
    expect(draftFrom({ ...good, proceed: "blue" })).toBeNull();
    expect(draftFrom({ ...good, proceed: "toString" })).toBeNull();
    expect(draftFrom({ ...good, attempt: { key: "k" } })).toBeNull();
    const content = {
      note_text: "x",
      override_proceed: "blue",
      override_tasking: null,
      system_response_id: "r",
    };
    const attempt = { key: "k", content, answered: { responseId: "r", proceed: "blue" } };
    expect(draftFrom({ ...good, attempt })).toBeNull();
    expect(draftFrom({ ...good, begunOn: 3 })).toBeNull();
    expect(draftFrom({ ...good, more: "dropped" })).toEqual(good);
  });
});
