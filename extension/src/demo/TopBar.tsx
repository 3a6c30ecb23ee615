import type { Scheme } from "./scheme";

interface TopBarProps {
  scheme: Scheme;
  onToggle(): void;
}

export function TopBar({ scheme, onToggle }: TopBarProps) {
  const other = scheme === "dark" ? "Light" : "Dark";
  return (
    <header class="top">
      <h1 class="wordmark">
        <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
          <circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="3" />
        </svg>
        Mobius
      </h1>
      <p class="banner">Demonstration: every patient here is synthetic.</p>
      <nav class="links" aria-label="About">
        <a href="/demo/README.md">README</a>
        <a href="/openapi.json">OpenAPI</a>
        <button type="button" onClick={onToggle} aria-label={`Switch to ${other.toLowerCase()}`}>
          {other}
        </button>
      </nav>
    </header>
  );
}
