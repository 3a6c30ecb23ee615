import type { Assignment, Config } from "../api/types";
import { absoluteTime, howLongAgo } from "../look/times";
import type { Inbox } from "./inbox";
import { useStore } from "./store";
import { capitalized, inWords } from "./words";

interface Props {
  item: Assignment;
  inbox: Inbox;
  config: Config;
  now: number;
  people: ReadonlyMap<string, string>;
  opened: ReadonlyMap<string, string>;
  patientKey: string | null;
  onOpen(patientKey: string): void;
}

/**
 * One open item. It names no patient: only to open it shows who it is, and that look is told to the ledger. Where
 * this session has opened the patient already, the name stands there.
 */
export function Item({ item, inbox, config, now, people, opened, patientKey, onOpen }: Props) {
  const claim = useStore(inbox.store).claims[item.assignment_id];
  const me = config.user.user_id;
  const isMine = item.claimed_by === me;
  const isTaken = item.claimed_by !== null && !isMine;
  const isHere = item.patient_key === patientKey;
  const name = opened.get(item.patient_key);
  const reason = capitalized(inWords(item.reason_code));
  const since = Date.parse(item.created_at);
  const whose =
    item.assigned_to_user === me ? "for you" : `for ${inWords(item.assigned_to_role ?? "one user")}`;
  const holder =
    item.claimed_by === null ? null : isMine ? "you" : (people.get(item.claimed_by) ?? "a colleague");
  const isBusy = claim?.is === "under_way";
  const label = isTaken || claim?.is === "taken" ? "Take over" : "Claim";
  return (
    <li class="item" aria-current={isHere ? "true" : undefined}>
      <button type="button" class="item-open" onClick={() => onOpen(item.patient_key)}>
        <span class="item-title">
          <b>{reason}</b>
          {name && (
            <span class="cut" dir="auto" title={name}>
              {name}
            </span>
          )}
          {!name && isHere && <span class="cut">this patient</span>}
        </span>
        <span class="quiet small">
          <Waiting since={since} now={now} /> · {whose}
          {holder && (
            <>
              {" "}
              · claimed by <span dir="auto">{holder}</span>
            </>
          )}
        </span>
      </button>
      {!isMine && (
        <button
          type="button"
          class="second"
          aria-disabled={isBusy}
          aria-label={`${label}: ${reason}, waiting since ${absoluteTime(since)}`}
          onClick={() => void inbox.claim(item.assignment_id, label === "Take over")}
        >
          {isBusy ? "Claiming…" : label}
        </button>
      )}
      {claim?.is === "taken" && (
        <p class="small awaits item-more" role="alert">
          Somebody was faster: claimed by {isTaken ? holder : "somebody else"}.
        </p>
      )}
      {claim?.is === "failed" && (
        <p class="problem small item-more" role="alert">
          {claim.sentence}
        </p>
      )}
    </li>
  );
}

/** `waiting 3 h`, with the moment on hover. */
function Waiting({ since, now }: { since: number; now: number }) {
  const ago = howLongAgo(since, now);
  const words = ago.endsWith(" ago")
    ? `waiting ${ago.slice(0, -4)}`
    : ago === "just now"
      ? "new"
      : `since ${ago}`;
  return (
    <time dateTime={new Date(since).toISOString()} title={absoluteTime(since)}>
      {words}
    </time>
  );
}
