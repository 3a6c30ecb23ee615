// The words for closed sets that the policy does not word: the indicator's colors and what may be asserted.
import type { AssertedTasking, ProceedIndicator } from "../api/types";

export const PROCEED_WORDS: Record<ProceedIndicator, string> = {
  grey: "Grey",
  green: "Green",
  yellow: "Yellow",
  blue: "Blue",
};

export const TASKING_WORDS: Record<AssertedTasking, string> = {
  none: "None",
  review: "Review",
  act: "Act",
};
