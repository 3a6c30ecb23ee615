// @vitest-environment happy-dom
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { PageAdapter } from "../src/api/types";
import { detect } from "../src/page/detection";

const address = { hostname: "ehr.example", pathname: "/records/77", hash: "" };
const adapter = (given: Partial<PageAdapter>): PageAdapter => ({
  id: "board",
  site: "ehr.example",
  kind: "data_attribute",
  value: "data-patient-id",
  source_system: "ehr",
  ...given,
});
const attribute = adapter({});
const path = adapter({ id: "path", kind: "url_pattern", value: "/records/{id}" });
const field = adapter({ id: "field", kind: "selector", value: ".mrn" });
const found = (...adapters: PageAdapter[]) => detect(document, address, adapters)?.externalId ?? null;

// happy-dom lays nothing out: what has no box is told by the style itself here. tests/browser has Chromium.
Element.prototype.checkVisibility = function checkVisibility(this: Element): boolean {
  for (let each: Element | null = this; each; each = each.parentElement) {
    const style = getComputedStyle(each);
    if (each.hasAttribute("hidden") || style.display === "none" || style.visibility === "hidden")
      return false;
  }
  return getComputedStyle(this).display !== "contents" && this.getAttribute("type") !== "hidden";
};

beforeEach(() => {
  document.body.innerHTML = "";
});

describe("an attribute", () => {
  test("names the patient, wherever in the page it stands", () => {
    document.body.innerHTML = `<main><div><p data-patient-id=" 1004731 ">x</p></div></main>`;
    expect(detect(document, address, [attribute])).toEqual({
      kind: "detected",
      sourceSystem: "ehr",
      externalId: "1004731",
      pageSignature: "board",
    });
  });

  test("names nobody when the page names two: a list is no record page", () => {
    document.body.innerHTML = `<ul><li data-patient-id="1">a</li><li data-patient-id="2">b</li></ul>`;
    expect(found(attribute)).toBeNull();
    document.body.innerHTML = `<main data-patient-id="1"><p data-patient-id="2">a relative</p></main>`;
    expect(found(attribute)).toBeNull();
  });

  test("may be repeated, and may be empty beside", () => {
    document.body.innerHTML = `<b data-patient-id="1"></b><i data-patient-id=""></i><p data-patient-id="1 "></p>`;
    expect(found(attribute)).toBe("1");
  });

  test("does not count where nobody sees it", () => {
    document.body.innerHTML = `<div hidden><p data-patient-id="1"></p></div><p data-patient-id="2"></p>`;
    expect(found(attribute)).toBe("2");
    document.body.innerHTML = `<p data-patient-id="1" style="display: none"></p>`;
    expect(found(attribute)).toBeNull();
  });

  test("counts on a wrapper without a box", () => {
    document.body.innerHTML = `<div style="display: contents" data-patient-id="3"><p>x</p></div>`;
    expect(found(attribute)).toBe("3");
    document.body.innerHTML = `<div hidden><div style="display: contents" data-patient-id="3"></div></div>`;
    expect(found(attribute)).toBeNull();
  });

  test("names nobody when what it says is no id", () => {
    document.body.innerHTML = `<p data-patient-id="${"9".repeat(129)}"></p>`;
    expect(found(attribute)).toBeNull();
  });

  test("with an odd name breaks nothing", () => {
    document.body.innerHTML = `<p data-patient-id="1"></p>`;
    expect(found(adapter({ value: 'data-x"], [data-patient-id' }))).toBeNull();
  });
});

describe("a selector", () => {
  test("reads the text of an element", () => {
    document.body.innerHTML = `<p class="mrn">\n  1004731\n</p>`;
    expect(found(field)).toBe("1004731");
  });

  test("reads the value of a field, a hidden one too where it stands in sight", () => {
    document.body.innerHTML = `<input class="mrn">`;
    (document.querySelector("input") as HTMLInputElement).value = "88";
    expect(found(field)).toBe("88");
    document.body.innerHTML = `<form><input class="mrn" type="hidden" value="89"></form>`;
    expect(found(field)).toBe("89");
    document.body.innerHTML = `<form hidden><input class="mrn" type="hidden" value="89"></form>`;
    expect(found(field)).toBeNull();
  });

  test("finds nobody when it is none to the browser", () => {
    expect(found(adapter({ kind: "selector", value: "p >>> (" }))).toBeNull();
  });

  test("finds nobody in a text that is too long", () => {
    document.body.innerHTML = `<p class="mrn">${"word ".repeat(200)}</p>`;
    expect(found(field)).toBeNull();
  });
});

describe("several adapters", () => {
  test("are asked in the policy's order", () => {
    document.body.innerHTML = `<p data-patient-id="A">x</p>`;
    const other = adapter({ id: "path", kind: "url_pattern", value: "/records/{id}", source_system: "crm" });
    expect(detect(document, address, [attribute, other])?.pageSignature).toBe("board");
    expect(detect(document, address, [other, attribute])?.pageSignature).toBe("path");
  });

  test("stand in for each other", () => {
    document.body.innerHTML = `<ul><li data-patient-id="1">a</li><li data-patient-id="2">b</li></ul>`;
    expect(found(attribute, path)).toBe("77");
  });

  test("of one source system that contradict each other name nobody", () => {
    document.body.innerHTML = `<p data-patient-id="76">the page before</p>`;
    expect(found(attribute, path)).toBeNull();
  });

  test("of other sites are not asked", () => {
    document.body.innerHTML = `<p data-patient-id="1">x</p>`;
    expect(found(adapter({ site: "other.example" }))).toBeNull();
    expect(found(adapter({ site: "*.ehr.example" }))).toBe("1");
  });
});

test("Whatever a page says, only an id that every visible element agrees on is told", () => {
  const marks = fc.array(fc.record({ id: fc.constantFrom("1", "2", " 1", ""), shown: fc.boolean() }), {
    maxLength: 6,
  });
  fc.assert(
    fc.property(marks, (given) => {
      document.body.replaceChildren(
        ...given.map(({ id, shown }) => {
          const element = document.createElement("p");
          element.setAttribute("data-patient-id", id);
          element.hidden = !shown;
          return element;
        }),
      );
      const seen = new Set(given.filter((each) => each.shown && each.id).map((each) => each.id.trim()));
      expect(found(attribute)).toBe(seen.size === 1 ? [...seen][0] : null);
    }),
  );
});
