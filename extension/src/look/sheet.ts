// Styles for a shadow root (or the demo page). Constructable style sheets: no style element is inserted, so the
// host page's content security policy has nothing to refuse, and every instance shares one parsed sheet.
const sheets = new Map<string, CSSStyleSheet>();

function sheetOf(css: string): CSSStyleSheet {
  const known = sheets.get(css);
  if (known) return known;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  sheets.set(css, sheet);
  return sheet;
}

/** Has `root` wear these styles, after those that it wears already; each at most once. */
export function adopt(root: ShadowRoot | Document, ...css: string[]): void {
  const worn = root.adoptedStyleSheets;
  const missing = css.map(sheetOf).filter((sheet) => !worn.includes(sheet));
  root.adoptedStyleSheets = [...worn, ...new Set(missing)];
}
