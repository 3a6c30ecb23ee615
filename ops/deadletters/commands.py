"""``mobius deadletters``: messages that no projector took after five tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table

from ops.deadletters.letters import DeadLetter, plain_letter
from ops.deadletters.subscription import Subscription
from ops.deadletters.waiting import Waiting
from ops.drafts import stoppable
from ops.emulators import DEAD_LETTER_SUBSCRIPTION
from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    find_installation,
    refusals,
    running_stack,
)
from ops.policy.preview import counted
from ops.readable import Screen, Terminal
from shared.decisions.moments import moment_text

app = typer.Typer(
    help="Messages that no projector took: list them, have them told again, or throw them away.",
    no_args_is_help=True,
)

SubscriptionOption = Annotated[
    str, typer.Option(metavar="NAME", help="The subscription that keeps the dead letters.")
]

_SHOWN = 50
_PIPED_WIDTH = 240
_RELAY = {True: "goes on", False: "done", None: "?"}


@app.command("list")
def list_letters(
    show_all: Annotated[
        bool, typer.Option("--all", help=f"Lists all of them, not only the first {_SHOWN}.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="All of them, as one JSON array.")] = False,
    subscription: SubscriptionOption = DEAD_LETTER_SUBSCRIPTION,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Shows the dead letters and leaves them where they are.

    A change that is still unconfirmed is told again by the relay anyway, replayed or not.
    """
    with refusals(), stoppable():
        installation = find_installation(state_dir)
        waiting = Waiting(installation.engine)
        plain: list[dict[str, object]] = []
        table = Table("id", "given up", "kind", "subject", "tenant", "tried", "relay")
        found = foreign = unconfirmed = 0
        with _walk(installation, subscription, state_dir) as (letters, pages):
            for page in pages:
                waits = waiting.of(page)
                for letter in page:
                    found += 1
                    foreign += letter.message is None
                    unconfirmed += waits(letter) is True
                    if as_json:
                        plain.append(plain_letter(letter, waits(letter)))
                    elif show_all or found <= _SHOWN:
                        table.add_row(*_cells(letter, waits(letter)))
        if as_json:
            typer.echo(msgspec.json.encode(plain).decode())
            if letters.may_have_more:
                typer.echo("There may be more.", err=True)
            return
        if not found:
            typer.echo("There are no dead letters.")
            return
        table.columns[0].no_wrap = True
        console = Terminal(highlight=False)
        Screen(console if console.is_terminal else Terminal(highlight=False, width=_PIPED_WIDTH)).print(table)
        for line in _told(found, foreign, unconfirmed, shown=found if show_all else min(found, _SHOWN)):
            typer.echo(line)
        if letters.may_have_more:
            typer.echo("There may be more.")
        if waiting.is_away:
            typer.echo("The database can't be reached, so nobody knows which changes are still unconfirmed.")


@app.command("replay")
def replay_letters(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Which ones; all of ours without any.")
    ] = None,
    subscription: SubscriptionOption = DEAD_LETTER_SUBSCRIPTION,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Has dead letters told again, as if their change had just happened; twice does no harm.

    Messages that are not ours stay.
    """
    with refusals(), stoppable():
        wanted = _Wanted(ids)
        replayed = foreign = 0
        with _walk(find_installation(state_dir), subscription, state_dir) as (letters, pages):
            for page in pages:
                chosen = wanted.of(page)
                ours = [letter for letter in chosen if letter.message is not None]
                foreign += len(chosen) - len(ours)
                letters.replay(ours)
                replayed += len(ours)
                if wanted.all_found:
                    break
        typer.echo(f"Replayed: {counted(replayed, 'letter', 'letters')}.")
        if letters.may_have_more:
            typer.echo("There may be more: run it again.")
        if foreign:
            typer.echo(
                f"Not ours, and still there: {counted(foreign, 'message', 'messages')}. No projector would "
                "take them; mobius deadletters discard throws them away."
            )
        wanted.refuse_missing()


@app.command("discard")
def discard_letters(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Which ones.")],
    subscription: SubscriptionOption = DEAD_LETTER_SUBSCRIPTION,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Throws dead letters away, ours or not. The relay tells a change that is still unconfirmed anyway."""
    with refusals(), stoppable():
        wanted, discarded = _Wanted(ids), 0
        with _walk(find_installation(state_dir), subscription, state_dir) as (letters, pages):
            for page in pages:
                chosen = wanted.of(page)
                letters.discard(chosen)
                discarded += len(chosen)
                if wanted.all_found:
                    break
        typer.echo(f"Thrown away: {counted(discarded, 'letter', 'letters')}.")
        wanted.refuse_missing()


class _Wanted:
    """The letters that somebody named; all of them when nobody named any."""

    def __init__(self, ids: list[str] | None) -> None:
        self._missing = set(ids) if ids else None

    @property
    def all_found(self) -> bool:
        """Whether nobody needs to look on."""
        return self._missing is not None and not self._missing

    def of(self, page: list[DeadLetter]) -> list[DeadLetter]:
        """Those of the page."""
        if self._missing is None:
            return page
        chosen = [letter for letter in page if letter.letter_id in self._missing]
        self._missing -= {letter.letter_id for letter in chosen}
        return chosen

    def refuse_missing(self) -> None:
        """Raises Refused when one of them was not there."""
        if self._missing:
            raise Refused(
                f"Not among the dead letters: {', '.join(sorted(self._missing))}. Look at mobius deadletters "
                "list; one that somebody else looks at just now is back within a minute."
            )


@contextmanager
def _walk(
    installation: Installation, name: str, state_dir: Path | None
) -> Iterator[tuple[Subscription, Iterator[list[DeadLetter]]]]:
    """The subscription and its pages, counted on a terminal."""
    settings = installation.settings
    # A local stack's emulator; the environment has its own name for it.
    emulator = running_stack(state_dir)["pubsub_emulator_host"] if installation.tenants else None
    subscription = Subscription(
        settings.project_id,
        settings.pubsub_topic,
        name,
        timeout_s=settings.outside_timeout_s,
        emulator=emulator,
    )
    with _progress() as advance, subscription.walk() as pages:
        yield subscription, _counted(pages, advance)


def _counted(pages: Iterator[list[DeadLetter]], advance: Callable[[int], None]) -> Iterator[list[DeadLetter]]:
    for page in pages:
        advance(len(page))
        yield page


@contextmanager
def _progress() -> Iterator[Callable[[int], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("Dead letters", total=None)
        yield lambda count: bar.advance(task, count)


def _cells(letter: DeadLetter, is_unconfirmed: bool | None) -> tuple[str, ...]:
    plain = plain_letter(letter, is_unconfirmed)
    tried = "?" if letter.deliveries is None else str(letter.deliveries)
    given_up = moment_text(letter.dead_at)
    if letter.message is None:
        return letter.letter_id, given_up, "not ours", f"{letter.size:,} bytes", "", tried, ""
    subject = f"{plain['subject_type']} {plain['subject']}"
    relay = _RELAY[is_unconfirmed] if letter.waits_for else ""
    return letter.letter_id, given_up, str(plain["kind"]), subject, str(plain["tenant_id"]), tried, relay


def _told(found: int, foreign: int, unconfirmed: int, *, shown: int) -> Iterator[str]:
    yield f"{counted(found, 'dead letter', 'dead letters')}, {foreign:,} of them not ours."
    if shown < found:
        yield f"Shown are the first {shown}: --all shows the others too."
    if unconfirmed:
        yield (
            f"Still unconfirmed: the changes of {unconfirmed:,}. The relay goes on with them; "
            "mobius deadletters replay has them told at once."
        )
