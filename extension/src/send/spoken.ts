// What the Send form's live region says. It has no times in it: a sentence that changes by the second would be
// read out by the second.
import { PROCEED_WORDS } from "../look/words";
import type { Shown } from "../patient/shown";
import type { SenderState } from "./sender";

type Facts = Pick<SenderState, "sending" | "refusal" | "receipt"> & {
  superseded: boolean;
  /** Somebody else acknowledged it since the form is here. */
  isNewAck: boolean;
  shown: Shown;
};

export function spokenOf({ sending, refusal, receipt, superseded, isNewAck, shown }: Facts): string {
  if (sending) return "Sending.";
  if (refusal) return [refusal.sentence, ...Object.values(refusal.fields)].filter(Boolean).join(" ");
  if (receipt) {
    if (!receipt.superseded) return "Sent.";
    return `Sent for the earlier response.${receipt.needsAck ? " The newer one still waits for somebody." : ""}`;
  }
  return [
    superseded ? `Changed while you write: now ${PROCEED_WORDS[shown.proceed]}. Your draft is kept.` : null,
    isNewAck && shown.submission ? `Acknowledged by ${shown.submission.who}.` : null,
  ]
    .filter((each) => each !== null)
    .join(" ");
}
