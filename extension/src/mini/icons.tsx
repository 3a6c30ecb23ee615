import type { ComponentChildren } from "preact";

function Icon({ children }: { children: ComponentChildren }) {
  return (
    <svg
      width="14"
      height="14"
      viewBox="0 0 14 14"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      {children}
    </svg>
  );
}

export const MinimizeIcon = () => (
  <Icon>
    <path d="M3 10.5h8" />
  </Icon>
);

export const CloseIcon = () => (
  <Icon>
    <path d="m3.5 3.5 7 7m0-7-7 7" />
  </Icon>
);

export const UnfoldIcon = ({ open }: { open: boolean }) => (
  <Icon>
    <path d={open ? "m3.5 8.5 3.5-3.5 3.5 3.5" : "m3.5 5.5 3.5 3.5 3.5-3.5"} />
  </Icon>
);

export const PanelIcon = () => (
  <Icon>
    <path d="M5 3.5H2.5v8h8V9M8 2.5h3.5V6M11.5 2.5 6.5 7.5" />
  </Icon>
);
