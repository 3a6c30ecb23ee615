import type { ProceedIndicator } from "../api/types";

interface Props {
  proceed: ProceedIndicator;
  /** In pixels. */
  size?: number;
  /** What it says where no word stands beside it; without, it is decoration to a screen reader. */
  label?: string;
}

/** The Proceed indicator, told apart without color: grey ring, green tick, yellow triangle, blue cross. */
export function Indicator({ proceed, size = 16, label }: Props) {
  return (
    <svg
      class={`indicator is-${proceed}`}
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      stroke-width="2"
      stroke-linecap="round"
      stroke-linejoin="round"
      focusable="false"
      role={label === undefined ? undefined : "img"}
      aria-label={label}
      aria-hidden={label === undefined}
    >
      {SHAPES[proceed]}
    </svg>
  );
}

const SHAPES = {
  grey: <circle cx="8" cy="8" r="6" />,
  green: <path d="M2.5 8.5 6.5 12.5 13.5 3.5" stroke-width="2.5" />,
  yellow: <path d="M8 2.5 14.5 13.5H1.5Z" fill="currentColor" />,
  blue: <path d="M3 3 13 13M13 3 3 13" stroke-width="2.5" />,
};
