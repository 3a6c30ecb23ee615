// Times as people read them: how long ago, and the absolute one. Pure.
const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** How long ago `at` is. A time of a clock that runs ahead of ours is "just now", never "in 3 s". */
export function howLongAgo(at: number, now: number): string {
  const past = now - at;
  if (past < 2 * SECOND) return "just now";
  if (past < MINUTE) return `${Math.floor(past / SECOND)} s ago`;
  if (past < HOUR) return `${Math.floor(past / MINUTE)} min ago`;
  if (past < DAY) return `${Math.floor(past / HOUR)} h ago`;
  if (past < 30 * DAY) return `${Math.floor(past / DAY)} d ago`;
  return dayOf(at);
}

export function absoluteTime(at: number): string {
  return `${dayOf(at)}, ${new Intl.DateTimeFormat("en-US", { timeStyle: "medium" }).format(at)}`;
}

/** A date of birth as the policy shows it: an ISO date, or the year alone. */
export function birthDate(dob: string): string {
  const [year, month, day] = dob.split("-").map(Number);
  if (year === undefined || month === undefined || day === undefined) return dob;
  const date = new Date(Date.UTC(year, month - 1, day));
  if (Number.isNaN(date.getTime())) return dob;
  return dayOf(date, "UTC");
}

/** `11 Aug 2017`, as the policy's sentences write it: one way for all dates on the screen. */
function dayOf(at: number | Date, timeZone?: string): string {
  const parts = new Intl.DateTimeFormat("en-US", {
    day: "numeric",
    month: "short",
    year: "numeric",
    ...(timeZone && { timeZone }),
  }).formatToParts(at);
  const told = (type: string) => parts.find((part) => part.type === type)?.value;
  return `${told("day")} ${told("month")} ${told("year")}`;
}
