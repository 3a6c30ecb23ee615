import { describe, expect, test } from "vitest";
import { appointmentsOf, nextOf } from "../src/demo/clinic/day";
import { recordOf } from "../src/demo/clinic/record";
import { hashOf, routeOf } from "../src/demo/clinic/routes";
import type { Clinic, HostPatient } from "../src/demo/clinics";

const patients = (count: number): HostPatient[] =>
  Array.from({ length: count }, (_, number) => ({
    source_system: "demo_ehr",
    external_id: String(1_000_000 + number * 7_919),
    display_name: `Patient ${number}`,
    dob: "1980-11-24",
  }));
const clinic = (count: number): Clinic => ({
  tenant_id: "t",
  name: "Larkfield Clinic",
  users: [],
  patients: patients(count),
});

describe("a day at the clinic", () => {
  test("is the same every time, and nobody comes twice", () => {
    for (const count of [240, 210]) {
      const day = appointmentsOf(clinic(count));
      expect(day).toEqual(appointmentsOf(clinic(count)));
      expect(new Set(day.map((each) => each.patient.external_id)).size).toBe(day.length);
      expect(day.length).toBeGreaterThan(20);
    }
  });

  test("goes on in time, with a pause at noon", () => {
    const times = appointmentsOf(clinic(240)).map((each) => each.time);
    expect(times).toEqual([...times].sort());
    expect(times.some((time) => time.startsWith("12:"))).toBe(false);
  });

  test("has somebody who is next: arrived, in no room yet", () => {
    expect(nextOf(appointmentsOf(clinic(240)))).toMatchObject({ status: "Arrived", room: null });
    expect(nextOf([])).toBeUndefined();
  });
});

describe("a record", () => {
  const [patient] = patients(1) as [HostPatient];

  test("tells the age of the day", () => {
    expect(recordOf(patient, new Date("2026-11-23T12:00:00")).age).toBe(45);
    expect(recordOf(patient, new Date("2026-11-24T12:00:00")).age).toBe(46);
  });

  test("holds nothing of the future, the latest visit first", () => {
    const today = new Date("2026-11-24T12:00:00");
    const { visits, notes } = recordOf(patient, today);
    for (const { day } of [...visits, ...notes]) expect(day.getTime()).toBeLessThan(today.getTime());
    const days = visits.map((visit) => visit.day.getTime());
    expect(days).toEqual([...days].sort((one, other) => other - one));
    expect(new Set(days).size).toBe(days.length);
  });
});

describe("an address in the clinic's application", () => {
  test("leads to a page and back", () => {
    for (const route of [{ page: "schedule" }, { page: "record", place: 7 }] as const) {
      expect(routeOf(hashOf(route))).toEqual(route);
    }
  });

  test("that is none leads nowhere", () => {
    for (const hash of ["", "#", "#/records/", "#/records/7/x", "#/records/99999", "#/other"]) {
      expect(routeOf(hash)).toBeNull();
    }
  });
});
