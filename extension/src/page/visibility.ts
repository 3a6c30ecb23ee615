// Whether a person can see that an element is there. Applications keep the pages of other patients hidden.

/** A hidden field counts where it stands, and so does a wrapper without a box of its own. */
export function isVisible(element: Element): boolean {
  if (element.checkVisibility({ visibilityProperty: true, opacityProperty: true })) return true;
  const parent = element.parentElement;
  return parent !== null && hasNoBoxByNature(element) && isVisible(parent);
}

function hasNoBoxByNature(element: Element): boolean {
  if (element instanceof HTMLInputElement && element.type === "hidden") return true;
  return getComputedStyle(element).display === "contents";
}
