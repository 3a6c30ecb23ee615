// The indicator and the line beside it, for each of Mini's states. Pure.
import type { ProceedIndicator } from "../api/types";
import { PROCEED_WORDS } from "../look/words";
import type { MiniView } from "./view";

export interface Glance {
  proceed: ProceedIndicator;
  word: string;
  text: string;
}

export function glanceOf(view: MiniView): Glance {
  switch (view.kind) {
    case "patient": {
      const { proceed, proceedText } = view.shown;
      return { proceed, word: PROCEED_WORDS[proceed], text: proceedText };
    }
    case "blue":
      return { proceed: "blue", word: PROCEED_WORDS.blue, text: view.text };
    case "unknown":
      return { proceed: "grey", word: PROCEED_WORDS.grey, text: view.config.texts.proceed.grey ?? "" };
    case "no_patient":
      return { proceed: "grey", word: "No patient", text: "on this page" };
    case "signed_out":
      return { proceed: "grey", word: "Mobius", text: "Signed out" };
    default:
      return { proceed: "grey", word: "Mobius", text: "" };
  }
}
