// The Server-Timing header: `read;dur=1.2, commit;dur=3.4`.

/** The duration of each stage, in milliseconds; what can't be read is left out. */
export function readServerTiming(header: string | null): Record<string, number> {
  const stages: Record<string, number> = {};
  for (const entry of (header ?? "").split(",")) {
    const [name, ...parameters] = entry.split(";").map((part) => part.trim());
    const duration = parameters.find((each) => /^dur\s*=/i.test(each))?.split("=")[1];
    const milliseconds = Number.parseFloat(duration ?? "");
    if (name && Number.isFinite(milliseconds)) stages[name] = milliseconds;
  }
  return stages;
}
