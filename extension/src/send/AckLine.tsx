import { When } from "../look/When";
import { PROCEED_WORDS, TASKING_WORDS } from "../look/words";
import type { ShownSubmission } from "../patient/shown";
import type { Receipt } from "./sender";

interface Props {
  submission: ShownSubmission | null;
  receipt: Receipt | null;
  now: number;
}

/** Who acknowledged this patient last, and when: one's own Send at once, also before it came back. */
export function AckLine({ submission, receipt, now }: Props) {
  if (receipt !== null && (submission === null || submission.when <= receipt.when)) {
    return (
      <p class="ack is-sent">
        <Check /> <b>Sent</b> · {receipt.who} · <When at={receipt.when} now={now} />
        {receipt.superseded && (
          <span class="ack-more">
            It answers the earlier response. {receipt.needsAck && "The newer one still waits for somebody."}
          </span>
        )}
      </p>
    );
  }
  if (submission === null) return null;
  return (
    <p class="ack">
      <Check /> Acknowledged by {submission.who} <When at={submission.when} now={now} />
      <span class="quiet">: {assertion(submission)}</span>
    </p>
  );
}

function assertion({ proceed, tasking, confirmed, superseded }: ShownSubmission): string {
  const said = [
    proceed === null ? null : `${confirmed ? "confirmed" : "as"} ${PROCEED_WORDS[proceed]}`,
    tasking === null ? null : `tasking ${TASKING_WORDS[tasking]}`,
    superseded ? "an earlier response" : null,
  ];
  return said.filter((each) => each !== null).join(", ");
}

function Check() {
  return (
    <svg class="check" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true" focusable="false">
      <path
        d="M2 6.5 4.8 9.2 10 3"
        fill="none"
        stroke="currentColor"
        stroke-width="1.8"
        stroke-linecap="round"
      />
    </svg>
  );
}
