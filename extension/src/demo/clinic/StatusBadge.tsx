import type { Status } from "./day";

const CLASSES: Record<Status, string> = {
  Completed: "is-done",
  "In room": "is-in",
  "Checked in": "is-in",
  Arrived: "is-here",
  Scheduled: "is-due",
};

export function StatusBadge({ status }: { status: Status }) {
  return <span class={`status ${CLASSES[status]}`}>{status}</span>;
}
