// Firestore's values as plain ones, which a message can carry: times become milliseconds.
import { Timestamp } from "firebase/firestore";
import type { Reason } from "../api/types";
import type { PatientStateDocument } from "./documents";

export function plain(value: unknown): unknown {
  if (value instanceof Timestamp) return value.toMillis();
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
}

/** The API's Reason tells its time as text, and so does this. */
export function patientStateOf(data: unknown): PatientStateDocument {
  const document = plain(data) as PatientStateDocument;
  const response = document.latest_system_response;
  if (!response) return document;
  const rationale = response.rationale.map(withTimeAsText);
  return { ...document, latest_system_response: { ...response, rationale } };
}

const withTimeAsText = (reason: Reason): Reason => ({
  ...reason,
  observed_at: new Date(reason.observed_at).toISOString(),
});
