import type { ComponentChild, ComponentChildren } from "preact";
import type { Config } from "../api/types";
import { Indicator } from "../look/Indicator";
import { birthDate } from "../look/times";
import { When } from "../look/When";
import type { Shown } from "../patient/shown";
import { inWords, proceedWord } from "./words";

interface Props {
  shown: Shown;
  config: Config;
  now: number;
  menu: ComponentChildren;
}

/** Who it is, whether it can move ahead, what is open, and who can advance it: as in Mini, with more room. */
export function Header({ shown, config, now, menu }: Props) {
  const facts = factsOf(shown);
  const standing = standingOf(shown);
  const parts: ComponentChild[] = [
    shown.modeText,
    standing && <span class={shown.needsAck ? "awaits" : undefined}>{standing}</span>,
    shown.computedAt !== null && (
      <span class="whole">
        assessed <When at={shown.computedAt} now={now} />
      </span>
    ),
  ].filter(Boolean);
  return (
    <header class="head">
      <div class="head-top">
        <Indicator proceed={shown.proceed} size={24} />
        <p class="proceed">
          <b class={`is-${shown.proceed}`}>{proceedWord(shown.proceed)}</b> <span>{shown.proceedText}</span>
        </p>
        {menu}
      </div>
      <div class="head-who">
        <h2 class="name" tabIndex={-1} dir="auto" title={shown.name ?? undefined} data-focus="patient">
          {shown.name ?? <span class="quiet">{nameless(config)}</span>}
        </h2>
        {facts !== "" && (
          <p class="quiet cut" title={facts}>
            {facts}
          </p>
        )}
      </div>
      {shown.tasking !== "" && shown.tasking !== shown.proceedText && <p class="tasking">{shown.tasking}</p>}
      <p class="quiet small">{parts.flatMap((part, place) => (place === 0 ? [part] : [" · ", part]))}</p>
    </header>
  );
}

const nameless = ({ variant }: Config): string =>
  variant.display_name === "hidden" ? "Name hidden by policy" : "No name known";

function factsOf({ idMasked, idLabel, dob }: Shown): string {
  const id = idMasked && `${idLabel ?? "ID"} ${idMasked}`;
  const born = dob && (dob.includes("-") ? `born ${birthDate(dob)}` : `born in ${dob}`);
  return [id, born].filter(Boolean).join(" · ");
}

function standingOf({ needsAck, outcome, responseId }: Shown): string | null {
  if (needsAck)
    return outcome === "unacknowledged" ? "acknowledgement overdue" : "needs your acknowledgement";
  if (outcome !== null) return inWords(outcome);
  return responseId === null ? null : "no acknowledgement needed";
}
