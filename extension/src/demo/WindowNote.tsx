/** What the demo page itself has to say about a window. */
export function WindowNote({ text }: { text: string }) {
  return (
    <p class="window-note" role="status">
      {text}
    </p>
  );
}
