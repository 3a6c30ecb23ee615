// Firestore's client lets the browser cache what it hears, unless the server forbids it: the emulator doesn't,
// and then patients' names lie on the disk. Here nothing is cached, whatever the server says.

let isDone = false;

/** From now on no answer to a `fetch` of this page is kept by the browser. */
export function keepNothing(scope: { fetch: typeof fetch } = globalThis): void {
  if (isDone) return;
  isDone = true;
  const plainly = scope.fetch.bind(scope);
  scope.fetch = (input, init) => plainly(input, { ...init, cache: "no-store" });
}
