// Which host names a pattern of the policy means. The server decides it again: shared/decisions/display.py.

/** `*` is every host; `*.example.org` is `example.org` too, as a browser's match patterns have it. */
export function siteMatches(pattern: string, hostname: string): boolean {
  if (pattern === "*") return true;
  const host = (hostname.toLowerCase().split(":")[0] ?? "").replace(/\.+$/, "");
  if (host === "") return false;
  if (pattern.startsWith("*.")) return host === pattern.slice(2) || host.endsWith(pattern.slice(1));
  return host === pattern;
}
