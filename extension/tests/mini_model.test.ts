import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MiniModel } from "../src/mini/model";
import { spokenOf, viewOf } from "../src/mini/view";
import type { Sighting } from "../src/ports";
import {
  aConfig,
  aDocument,
  anUnknown,
  aPresence,
  aStatus,
  type FakeSurroundings,
  fakeSurroundings,
  KEY,
  OTHER_KEY,
  settle,
} from "./mini_fakes";

const ON_PAGE: Sighting = { kind: "detected", sourceSystem: "ehr", externalId: "1", pageSignature: "board" };
const NEXT: Sighting = { ...ON_PAGE, externalId: "2" };

let surroundings: FakeSurroundings;
let model: MiniModel;
let visible: boolean;
let address: string;
const shows = vi.fn();

beforeEach(() => {
  vi.useFakeTimers();
  visible = true;
  address = "https://ehr.example/search";
  shows.mockClear();
  surroundings = fakeSurroundings({ shows });
  model = new MiniModel(surroundings, { random: () => 0, visible: () => visible, address: () => address });
});

afterEach(() => {
  model.end();
  vi.useRealTimers();
});

const view = () => viewOf(model.state);
const shown = () => {
  const now = view();
  if (now.kind !== "patient") throw new Error(`shows ${now.kind}`);
  return now.shown;
};
const api = () => surroundings.api;
const live = () => surroundings.live;
const hear = (document: ReturnType<typeof aDocument>) =>
  live().patients.get(document.patient_key)?.({ liveness: "live", document });
const interactions = () =>
  api()
    .of("mini/interaction")
    .map(({ body }) => `${body.kind} ${body.patient_key}`);

async function signedInBeside(sighting: Sighting | null, status = aStatus()): Promise<void> {
  model.show(sighting);
  model.become({ state: "signed_in", config: aConfig() });
  await settle();
  await api().last("mini/status").answer(status);
}

describe("the patient on the page", () => {
  it("is asked for as the page names them, and loads until the answer is here", async () => {
    model.show(ON_PAGE);
    expect(view().kind).toBe("hidden");
    model.become({ state: "signed_in", config: aConfig() });
    expect(view().kind).toBe("loading");
    expect(api().last("mini/status").body).toEqual({
      session_id: "session-1",
      site: "ehr.example",
      detection: { source_system: "ehr", external_id: "1" },
      page_signature: "board",
    });
    await api().last("mini/status").answer(aStatus());
    expect(shown().name).toBe("Ada Abernale");
    expect(shows).toHaveBeenLastCalledWith(KEY);
  });

  it("is asked for by key when picked", async () => {
    await signedInBeside(ON_PAGE);
    model.pick(OTHER_KEY);
    expect(view().kind).toBe("loading");
    expect(api().last("mini/status").body).toMatchObject({ patient_key: OTHER_KEY });
    expect(api().last("mini/status").body).not.toHaveProperty("detection");
    expect(interactions()).toEqual([`switched ${KEY}`]);
    expect(model.state.picked).toBe(true);
    model.backToPage();
    expect(api().last("mini/status").body).toHaveProperty("detection");
    expect(model.state.picked).toBe(false);
  });

  it("is dropped when picked by hand and the page goes elsewhere, noticed at once or when asking", async () => {
    model.become({ state: "signed_in", config: aConfig() });
    for (const notice of [() => model.moved(), () => model.refresh()]) {
      model.pick(KEY);
      await api().last("mini/status").answer(aStatus());
      notice();
      expect(shown().patientKey).toBe(KEY);
      address += "/zoe";
      notice();
      expect([view().kind, model.state.picked]).toEqual(["no_patient", false]);
      expect(interactions().at(-1)).toBe(`navigated ${KEY}`);
      vi.advanceTimersByTime(1000);
      expect(api().last("mini/status").body).not.toHaveProperty("patient_key");
    }
  });

  it("goes at once when another comes, and what was asked about them changes nothing", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    const late = api().last("mini/status");
    model.show(NEXT);
    expect(view().kind).toBe("loading");
    expect(live().patients.size).toBe(0);
    await late.answer(aStatus({ color: "green", version: 99 }));
    expect(view().kind).toBe("loading");
    await api()
      .last("mini/status")
      .answer(aStatus({ patient: { patient_key: OTHER_KEY, display_name: "Bo Ashgrove" } }));
    expect(shown().name).toBe("Bo Ashgrove");
    expect(interactions()).toEqual([`switched ${KEY}`]);
    expect([...live().patients.keys()]).toEqual([OTHER_KEY]);
  });

  it("is told to the server again when an earlier question reached it last", async () => {
    model.become({ state: "signed_in", config: aConfig() });
    model.show(ON_PAGE);
    const early = api().last("mini/status");
    model.show(NEXT);
    await api().last("mini/status").answer(aStatus());
    const before = api().of("mini/status").length;
    await early.answer(aStatus());
    vi.advanceTimersByTime(1000);
    expect(api().of("mini/status").length).toBe(before + 1);
    expect(api().last("mini/status").body).toMatchObject({ detection: { external_id: "2" } });
  });

  it("does not change when the page names the same again", async () => {
    await signedInBeside(ON_PAGE);
    model.show({ ...ON_PAGE });
    expect(view().kind).toBe("patient");
    expect(api().of("mini/status")).toHaveLength(1);
  });

  it("leaves when the page names nobody", async () => {
    await signedInBeside(ON_PAGE);
    model.show(null);
    expect(view().kind).toBe("no_patient");
    expect(interactions()).toEqual([`navigated ${KEY}`]);
    expect(shows).toHaveBeenLastCalledWith(null);
  });

  it("may be unknown", async () => {
    await signedInBeside(ON_PAGE, anUnknown());
    expect(view().kind).toBe("unknown");
    expect(live().patients.size).toBe(0);
  });

  it("is nobody we know when the policy does not take how the page names them", async () => {
    model.show(ON_PAGE);
    model.become({ state: "signed_in", config: aConfig() });
    await api().last("mini/status").fail(422);
    expect(view().kind).toBe("unknown");
  });
});

describe("live", () => {
  const tell = (document: ReturnType<typeof aDocument> | null) =>
    live().patients.get(KEY)?.({ liveness: "live", document });

  it("is only what a document of its version or a newer one confirms", async () => {
    await signedInBeside(ON_PAGE, aStatus({ version: 3 }));
    tell(null);
    expect(model.state).toMatchObject({ liveness: "connecting", lastHeard: null });
    tell(aDocument(2));
    expect(model.state.liveness).toBe("connecting");
    tell(aDocument(3));
    expect(model.state.liveness).toBe("live");
    model.refresh();
    await api()
      .last("mini/status")
      .answer(aStatus({ version: 4 }));
    expect(model.state.liveness).toBe("connecting");
    tell(aDocument(4));
    expect(model.state.liveness).toBe("live");
  });

  it("is a patient of whom nothing was said yet, without a document", async () => {
    await signedInBeside(ON_PAGE, aStatus({ version: 0, system_response_id: null }));
    tell(null);
    expect(model.state.liveness).toBe("live");
  });
});

describe("versions", () => {
  it("never go back, in whatever order answers and documents come", async () => {
    const step = fc.record({
      way: fc.constantFrom("answer", "document"),
      version: fc.integer({ min: 1, max: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 12 }), async (steps) => {
        surroundings = fakeSurroundings();
        model = new MiniModel(surroundings, { random: () => 0 });
        await signedInBeside(ON_PAGE, aStatus({ version: 1 }));
        let newest = 1;
        for (const { way, version } of steps) {
          if (way === "answer") {
            model.refresh();
            await api()
              .last("mini/status")
              .answer(aStatus({ version, system_response_id: `response-${version}` }));
          } else hear(aDocument(version));
          newest = Math.max(newest, version);
          expect(shown().version).toBe(newest);
          if (newest > 1) expect(shown().responseId).toBe(`response-${newest}`);
        }
        model.end();
      }),
      { numRuns: 40 },
    );
  });

  it("of two answers the one that was asked for later counts, also when it comes first", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    const earlier = api().last("mini/status");
    model.refresh();
    await api()
      .last("mini/status")
      .answer(aStatus({ color: "blue" }));
    await earlier.answer(aStatus({ color: "yellow" }));
    expect(shown().proceed).toBe("blue");
  });

  it("blue shows at an equal version, and a newer document ends it", async () => {
    await signedInBeside(ON_PAGE);
    hear(aDocument(3, { color: "yellow" }));
    model.refresh();
    await api()
      .last("mini/status")
      .answer(aStatus({ color: "blue" }));
    expect(shown().proceed).toBe("blue");
    hear(aDocument(3, { color: "yellow" }));
    expect(shown().proceed).toBe("blue");
    hear(aDocument(4, { color: "green" }));
    expect(shown().proceed).toBe("green");
  });

  it("an old answer still says who the patient is", async () => {
    await signedInBeside(ON_PAGE);
    hear(aDocument(5));
    model.refresh();
    await api()
      .last("mini/status")
      .answer(aStatus({ version: 4, patient: { display_name: "Ada Newname" } }));
    expect(shown()).toMatchObject({ version: 5, proceed: "green", name: "Ada Newname" });
  });

  it("asks again who the patient is when the shared snapshot changed", async () => {
    await signedInBeside(ON_PAGE);
    hear(aDocument(3, { snapshotVersion: 1 }));
    vi.advanceTimersByTime(1000);
    expect(api().of("mini/status")).toHaveLength(1);
    hear(aDocument(4, { snapshotVersion: 2 }));
    vi.advanceTimersByTime(1000);
    expect(api().of("mini/status")).toHaveLength(2);
  });
});

describe("trouble", () => {
  const starts = () => {
    model.show(ON_PAGE);
    model.become({ state: "signed_in", config: aConfig() });
  };

  it("shows blue with the policy's words when nothing is known, and gets over it by itself", async () => {
    starts();
    await api().last("mini/status").fail(503, { detail: "The database is away." });
    expect(view()).toEqual({
      kind: "blue",
      text: "Mobius can't tell right now: proceed as you would without it",
      problem: "The database is away.",
    });
    vi.advanceTimersByTime(2000);
    await api().last("mini/status").answer(aStatus());
    expect(shown().proceed).toBe("yellow");
    expect(model.state.problem).toBeNull();
  });

  it("keeps what is known and says that it may be old", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    await api().last("mini/status").fail(0, { detail: "No answer came." });
    expect(shown().name).toBe("Ada Abernale");
    expect(model.state.problem).toBe("No answer came.");
  });

  it("asks less and less often, at least once a minute", async () => {
    starts();
    const waits: number[] = [];
    for (let failure = 0; failure < 8; failure += 1) {
      await api().last("mini/status").fail(503);
      const before = api().of("mini/status").length;
      let waited = 0;
      while (api().of("mini/status").length === before) {
        vi.advanceTimersByTime(1000);
        waited += 1;
      }
      waits.push(waited);
    }
    expect(waits).toEqual([2, 4, 8, 16, 32, 60, 60, 60]);
  });

  it("hides Mini on 403, and the patient with it", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    await api().last("mini/status").fail(403);
    expect(view().kind).toBe("hidden");
    expect(live().patients.size).toBe(0);
    expect(model.state.known).toBeNull();
  });

  it("hides Mini where the policy does, and shows it again where it doesn't", async () => {
    await signedInBeside(ON_PAGE, aStatus({ showMini: false }));
    expect(view().kind).toBe("hidden");
    vi.advanceTimersByTime(60_000);
    await api().last("mini/status").answer(aStatus());
    expect(view().kind).toBe("patient");
  });

  it("asks nothing where the configuration hides Mini", async () => {
    model.show(ON_PAGE);
    model.become({ state: "signed_in", config: aConfig({ showMini: false }) });
    await settle();
    expect(view().kind).toBe("hidden");
    expect(api().calls).toEqual([]);
  });

  it("lets go of the patient once the configuration hides Mini, and asks anew when it doesn't", async () => {
    await signedInBeside(ON_PAGE);
    model.become({ state: "signed_in", config: aConfig({ showMini: false }) });
    expect(view().kind).toBe("hidden");
    expect([model.state.known, live().patients.size]).toEqual([null, 0]);
    model.become({ state: "signed_in", config: aConfig() });
    await api().last("mini/status").answer(aStatus());
    expect(view().kind).toBe("patient");
  });

  it("is signed out on 401", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    await api().last("mini/status").fail(401);
    expect(view().kind).toBe("signed_out");
    model.become({ state: "signed_in", config: aConfig() });
    await api().last("mini/status").answer(aStatus());
    expect(view().kind).toBe("patient");
  });

  it("keeps what is known while the sign-in can't be reached", async () => {
    await signedInBeside(ON_PAGE);
    model.become({ state: "unreachable", problem: "No network." });
    expect(view().kind).toBe("patient");
    model.become({ state: "signed_in", config: aConfig() });
    expect(api().of("mini/status")).toHaveLength(2);
  });

  it("survives an API that rejects with something else", async () => {
    api().answers["mini/status"] = () => new Error("Extension context invalidated.");
    starts();
    await settle();
    expect(view().kind).toBe("blue");
  });
});

describe("staying present", () => {
  it("asks again well within the presence time, and not while the tab is hidden", async () => {
    await signedInBeside(ON_PAGE);
    vi.advanceTimersByTime(59_000);
    expect(api().of("mini/status")).toHaveLength(1);
    vi.advanceTimersByTime(1000);
    expect(api().of("mini/status")).toHaveLength(2);
    await api().last("mini/status").answer(aStatus());
    visible = false;
    vi.advanceTimersByTime(600_000);
    expect(api().of("mini/status")).toHaveLength(2);
    visible = true;
    model.refresh();
    expect(api().of("mini/status")).toHaveLength(3);
  });

  it("counts the others once each, and not oneself", async () => {
    await signedInBeside(ON_PAGE);
    live().others.get(KEY)?.({
      liveness: "live",
      document: [
        aPresence("user-1", "Dana Whitlow"),
        aPresence("user-2", "Imre Castellane"),
        aPresence("user-2", "Imre Castellane"),
        aPresence("user-3", "Priya Rosenthorpe", "closed"),
      ],
    });
    expect(model.state.others).toEqual(["Imre Castellane"]);
  });

  it("does not ask about a page without a patient again and again", async () => {
    model.become({ state: "signed_in", config: aConfig() });
    vi.advanceTimersByTime(1000);
    await api().last("mini/status").answer(anUnknown());
    expect(view().kind).toBe("no_patient");
    vi.advanceTimersByTime(600_000);
    expect(api().of("mini/status")).toHaveLength(1);
  });

  it("asks the API when the listener is refused", async () => {
    await signedInBeside(ON_PAGE);
    live().patients.get(KEY)?.({ liveness: "refused", document: undefined });
    vi.advanceTimersByTime(1000);
    expect(api().of("mini/status")).toHaveLength(2);
  });
});

describe("who uses it", () => {
  it("sees nothing of what the one before saw", async () => {
    await signedInBeside(ON_PAGE);
    model.become({ state: "signed_in", config: aConfig({ userId: "user-2" }) });
    expect(view().kind).toBe("loading");
    expect(model.state.known).toBeNull();
  });

  it("sees nothing once signed out, and nothing that was on its way", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    model.become({ state: "signed_out" });
    await api().last("mini/status").answer(aStatus());
    expect(view().kind).toBe("signed_out");
    expect(model.state.known).toBeNull();
    expect(live().patients.size).toBe(0);
  });

  it("closes it until the next patient comes", async () => {
    await signedInBeside(ON_PAGE);
    model.close();
    expect(view().kind).toBe("hidden");
    expect(interactions()).toEqual(["closed null"]);
    vi.advanceTimersByTime(600_000);
    expect(api().of("mini/status")).toHaveLength(1);
    model.show(NEXT);
    expect(view().kind).toBe("loading");
  });

  it("hears nothing after the end, also of a call that was under way", async () => {
    await signedInBeside(ON_PAGE);
    model.refresh();
    const heard = vi.fn();
    model.subscribe(heard);
    model.end();
    await api()
      .last("mini/status")
      .answer(aStatus({ color: "green" }));
    vi.advanceTimersByTime(600_000);
    expect(heard).not.toHaveBeenCalled();
    expect(api().of("mini/status")).toHaveLength(2);
    expect(live().patients.size + live().others.size).toBe(0);
  });
});

describe("what a screen reader says", () => {
  it("changes only with what it says", async () => {
    await signedInBeside(ON_PAGE);
    const first = spokenOf(view());
    expect(first).toContain("Review before proceeding");
    model.refresh();
    await api()
      .last("mini/status")
      .answer(aStatus({ version: 3 }));
    expect(spokenOf(view())).toBe(first);
    hear(aDocument(4));
    expect(spokenOf(view())).toContain("Nothing needed, go ahead");
  });
});
