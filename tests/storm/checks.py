"""What must be true after a storm, whatever happened in it. Every finding names ids only."""

from __future__ import annotations

import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.storm.ground import Ground
from tests.storm.sends import MARK, Send

_SUBMISSIONS = """SELECT s.mini_submission_id, s.tenant_id, c.patient_key, s.user_id, s.override_proceed,
    s.override_tasking, s.note_text
    FROM mini_submission s JOIN patient_context c USING (tenant_id, patient_context_id)"""
_TOLD = """SELECT payload_json ->> 'mini_submission_id', count(*) FROM event_log
    WHERE event_type = 'User.Acknowledged' GROUP BY 1"""
_TRACEBACK = "Traceback (most recent call last)"
_QUOTED = 300


def check_submissions(ground: Ground, sends: Iterable[Send], before: frozenset[str]) -> Iterator[str]:
    """Every answered Send is in Postgres exactly once, as it was sent, and nothing else is.

    ``before``: the submissions that were there before the storm.
    """
    rows = [row for row in ground.rows(_SUBMISSIONS) if str(row[0]) not in before]
    stored = {str(row[0]): tuple(None if value is None else str(value) for value in row[1:]) for row in rows}
    times = Counter(row[6] for row in rows)
    told = {submission_id: int(count) for submission_id, count in ground.rows(_TOLD)}
    sent_ids: set[str] = set()
    for send in sends:
        note, name = send.body["note_text"], f"Send {send.number}"
        if send.answered is None:
            yield f"{name}: never answered"
        if times.pop(note, 0) != (0 if send.refused else 1):
            yield f"{name}: not in Postgres exactly once"
        if len(send.submission_ids) != 1:
            yield f"{name}: answered with {len(send.submission_ids)} different submissions"
        for submission_id in send.submission_ids:
            sent_ids.add(submission_id)
            asserted = (send.body["override_proceed"], send.body["override_tasking"])
            if stored.get(submission_id) != (send.tenant_id, send.patient_key, send.user_id, *asserted, note):
                yield f"{name}: submission {submission_id} is missing or not what was sent"
            if told.get(submission_id) != 1:
                yield f"{name}: submission {submission_id} is not in the ledger exactly once"
    yield from (
        f"submission {each} was never answered to anybody" for each in sorted(stored.keys() - sent_ids)
    )
    yield from (
        f"event of a submission that is not there: {each}"
        for each in sorted(told.keys() - stored.keys() - before)
    )


def submissions(ground: Ground) -> frozenset[str]:
    """The submissions that there are."""
    return frozenset(str(row[0]) for row in ground.rows("SELECT mini_submission_id FROM mini_submission"))


def check_logs(ground: Ground) -> Iterator[str]:
    """No part wrote a traceback, and nothing of a note."""
    for path in (*sorted(ground.stack.state_dir.glob("logs/*")), ground.stack.state_dir / "output.txt"):
        text = path.read_text(errors="replace")
        if text.count(_TRACEBACK):
            yield f"{path.name}: {text.count(_TRACEBACK)} tracebacks"
        if MARK.casefold() in text.casefold():
            yield f"{path.name}: quotes a note"


def check_command(done: subprocess.CompletedProcess[str]) -> Iterator[str]:
    """A command found nothing wrong."""
    if done.returncode:
        said = (done.stdout + done.stderr).strip()
        yield f"mobius {' '.join(map(str, done.args[1:3]))} ended with {done.returncode}: {said[-_QUOTED:]}"
