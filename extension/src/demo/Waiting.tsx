/** While the local stack doesn't answer. */
export function Waiting({ tries }: { tries: number }) {
  return (
    <main class="waiting">
      <h1 class="spoken">Mobius</h1>
      <p role="status">
        {tries === 0
          ? "Starting…"
          : "The local stack doesn’t answer. Is it running? This page goes on trying: nothing to do here but to start it with"}
        {tries > 0 && <code> make run</code>}
      </p>
    </main>
  );
}
