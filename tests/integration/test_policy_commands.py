"""``mobius policy`` on a real database: an edit of a document is all that a colour or a code takes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import chdir
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from sqlalchemy import make_url
from typer.testing import CliRunner, Result

from ops.cli import app
from ops.demo_load import default_policy
from ops.policy.document import parse_policy, policy_digest, write_policy
from shared.decisions.policy import Policy, decode_policy, encode_policy
from tests.integration.product import EXPIRING, GREEN, MANY, Clinic, Product, closed_port

pytestmark = pytest.mark.usefixtures("held")

DEFAULT = default_policy()
FILE = str(Path(__file__).parents[2] / "ops/default_policy.yaml")


def edited(edit: Callable[[dict[str, Any]], object], of: Policy = DEFAULT) -> Policy:
    document: Any = encode_policy(of)
    edit(document)
    return decode_policy(document)


def signal_edited(code: str, **changes: object) -> Policy:
    return edited(lambda document: document["decisions"]["signals"][code].update(changes))


@pytest.fixture
def file(tmp_path: Path) -> Callable[[Policy], str]:
    """Writes a policy as somebody would save it."""

    def saved(policy: Policy) -> str:
        (tmp_path / "policy.yaml").write_text(write_policy(policy, "Edited."), "utf-8")
        return str(tmp_path / "policy.yaml")

    return saved


Saved = Callable[[Policy], str]


def mobius(clinic: Clinic, command: str, *args: str, **environment: str | None) -> Result:
    """Runs ``mobius policy COMMAND`` as the owner of the database, about this clinic."""
    env = {"DATABASE_URL": clinic.product.urls.owner, **environment}
    with chdir("/"):  # where no stack runs: the environment names the database
        return CliRunner().invoke(app, ["policy", command, *args, "--tenant", str(clinic.tenant_id)], env=env)


def done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (1, ""), result.output
    return result.stderr


def everything(clinic: Clinic) -> dict[str, int]:
    return clinic.counts() | {
        table: clinic.count(table) for table in ("policy_config", "application", "outbox", "patient_signal")
    } | {"waiting": clinic.count("patient_context", "reassess_at IS NOT NULL")}  # fmt: skip


def test_a_changed_colour_is_an_edit_and_nothing_else(clinic: Clinic, file: Saved) -> None:
    assert clinic.status(EXPIRING)["proceed"]["color"] == "yellow"
    said = done(mobius(clinic, "publish", file(signal_edited("coverage.expiring", proceed="grey"))))
    assert "Published version 2 (digest " in said
    assert "1 patient is decided anew: 50 a second, done in 1 second." in said
    answer = clinic.status(EXPIRING)
    assert answer["proceed"]["color"] == "grey"
    assert answer["proceed"]["text"] == DEFAULT.decisions.proceed_texts.grey


def test_a_new_signal_code_is_an_edit_and_nothing_else(clinic: Clinic, file: Saved) -> None:
    clinic.sql(
        """INSERT INTO patient_signal (tenant_id, patient_signal_id, patient_context_id, code, status,
               detail_json, observed_at, source_system)
           VALUES (:tenant, gen_random_uuid(), :context, 'referral.missing', 'active',
               '{"needed_by": "2026-12-02"}', now(), 'registration')""",
        context=clinic.context(GREEN),
    )
    assert clinic.status(GREEN)["proceed"]["color"] == "green"

    def add(document: dict[str, Any]) -> None:
        document["decisions"]["signals"]["referral.missing"] = {
            "proceed": "yellow",
            "task": "Referral missing: ask for it before {needed_by:date}",
            "mode": "user_driven",
            "reason_code": "referral",
            "needs_ack": True,
            "priority": 15,
        }
        document["notifications"]["assign"]["referral"] = {"role": "front_desk"}

    done(mobius(clinic, "publish", file(edited(add))))
    answer = clinic.status(GREEN)
    assert answer["proceed"]["color"] == "yellow"
    assert answer["tasking"]["text"] == "Referral missing: ask for it before 2 Dec 2026"


def test_publishing_is_an_event_of_the_tenants_chain(clinic: Clinic, file: Saved) -> None:
    policy = signal_edited("claim.denied", priority=5)
    done(mobius(clinic, "publish", file(policy)))
    (event,) = clinic.events(None)
    assert (event.event_type, event.actor_user_id, event.version) == ("Policy.Published", None, None)
    assert event.payload_json == {"version": 2, "digest": policy_digest(policy)}
    ((seq, head),) = clinic.sql("SELECT ledger_seq, ledger_head FROM tenant WHERE tenant_id = :tenant")
    assert (seq, head) == (event.seq, event.hash)


def test_what_is_shown_is_valid_and_is_what_was_published(
    clinic: Clinic, file: Saved, tmp_path: Path
) -> None:
    first = done(mobius(clinic, "show"))
    assert parse_policy(first) == DEFAULT
    assert first.startswith(f"# Version 1 of the policy of tenant {clinic.tenant_id}.\nversion: 1\n")
    path = file(signal_edited("claim.denied", priority=5))
    assert done(mobius(clinic, "diff", path)) == (
        f"Version 1 → {path}:\n~ decisions.signals['claim.denied'].priority: 30 → 5\n"
    )
    done(mobius(clinic, "publish", path))
    shown = tmp_path / "shown.yaml"
    shown.write_text(done(mobius(clinic, "show")), "utf-8")
    second = msgspec.structs.replace(signal_edited("claim.denied", priority=5), version=2)
    assert parse_policy(shown.read_text("utf-8")) == second
    assert "has every role and user" in done(mobius(clinic, "validate", str(shown)))
    assert done(mobius(clinic, "diff", str(shown))) == "No difference to version 2.\n"
    older = done(mobius(clinic, "show", "--version", "1"))
    assert parse_policy(older) == DEFAULT
    assert "# The newest is 2: to publish this one again, set version to 2.\n" in older
    assert "There is no version 3: the newest is 2." in refused(mobius(clinic, "show", "--version", "3"))


def test_who_began_from_an_older_version_is_told_and_changes_nothing(clinic: Clinic, file: Saved) -> None:
    done(mobius(clinic, "publish", file(signal_edited("claim.denied", priority=5))))
    stale, before = file(signal_edited("claim.denied", priority=6)), everything(clinic)
    for command in ("publish", "preview"):
        assert (
            "Somebody published version 2 since you began from version 1: see mobius policy diff"
            in refused(mobius(clinic, command, stale))
        )
    ahead = file(edited(lambda document: document.update(version=9)))
    assert "from version 9, but the newest is version 2" in refused(mobius(clinic, "publish", ahead))
    assert everything(clinic) == before


def test_an_unchanged_document_publishes_nothing(clinic: Clinic) -> None:
    before = everything(clinic)
    assert done(mobius(clinic, "publish", FILE)) == (
        "Version 1 says this already: nothing was published.\nNo patient has to follow.\n"
    )
    assert "Nothing to publish: this is what version 1 says." in done(mobius(clinic, "preview", FILE))
    assert everything(clinic) == before


def test_a_wrong_document_is_refused_and_nothing_changes(clinic: Clinic, file: Saved) -> None:
    def edit(document: dict[str, Any]) -> None:
        document["allowlist"]["permissions"]["notes"] = ["porter"]
        document["ui_variants"]["by_role"]["porter"] = "desk"
        document["notifications"]["otherwise"] = {"role": None, "user": str(UUID(int=3))}

    path, before = Path(file(edited(edit))), everything(clinic)
    users = ", ".join(sorted(str(user.user_id) for user in clinic.users))
    for command in ("validate", "preview", "publish"):
        said = refused(mobius(clinic, command, str(path)))
        roles = ("billing_lead", "financial_counselor", "front_desk")
        problem = said.splitlines()[1]
        assert problem.startswith("  allowlist.permissions.notes[0]: there is no role 'porter' (allowed: ")
        assert all(role in problem for role in roles)
        assert "  ui_variants.by_role.porter: there is no role 'porter'" in said
        assert f"  notifications.otherwise.user: is no active user of this tenant (allowed: {users})" in said
    path.write_text(path.read_text("utf-8").replace("proceed: yellow", "proceed: purple", 1), "utf-8")
    assert "is not an allowed value (allowed: grey, green, yellow)" in refused(
        mobius(clinic, "publish", str(path))
    )
    assert everything(clinic) == before


def test_applications_that_a_policy_allows_are_known_to_the_database(clinic: Clinic, file: Saved) -> None:
    def allow(document: dict[str, Any]) -> None:
        document["allowlist"]["applications"] = ["*", "scheduler", "ehr"]

    done(mobius(clinic, "publish", file(edited(allow))))
    found = clinic.sql("SELECT application_id, display_name FROM application WHERE tenant_id = :tenant")
    assert {("ehr", "ehr"), ("scheduler", "scheduler")} <= {tuple(row) for row in found}
    assert "*" not in {row.application_id for row in found}


def test_a_tenants_first_policy_is_version_1(clinic: Clinic, file: Saved) -> None:
    newcomer = Clinic(clinic.product, clinic, {"patients": []})  # type: ignore[arg-type] -- nobody works there yet
    newcomer.tenant_id = uuid4()  # type: ignore[assignment] -- a new one
    newcomer.sql("INSERT INTO tenant (tenant_id, name) VALUES (:tenant, 'Newcomer')")
    assert "no policy yet" in refused(mobius(newcomer, "show"))
    second = file(edited(lambda document: document.update(version=2)))
    assert "its first is version 1" in refused(mobius(newcomer, "publish", second))
    assert "In short: no patient's state changes." in done(mobius(newcomer, "preview", FILE))
    assert "Published version 1" in done(mobius(newcomer, "publish", FILE))
    assert parse_policy(done(mobius(newcomer, "show"))) == DEFAULT


def test_what_an_operator_got_wrong_is_said_in_a_sentence(
    clinic: Clinic, product: Product, file: Saved
) -> None:
    path = file(signal_edited("claim.denied", priority=5))
    away = make_url(product.urls.owner).set(port=closed_port()).render_as_string(hide_password=False)
    assert "can't be reached" in refused(mobius(clinic, "publish", path, DATABASE_URL=away))
    assert "mobius_owner" in refused(mobius(clinic, "publish", path, DATABASE_URL=product.urls.app))
    clinic.tenant_id = uuid4()  # type: ignore[assignment] -- nobody's
    for command in ("publish", "preview", "diff", "validate"):
        assert f"There is no tenant {clinic.tenant_id}." in refused(mobius(clinic, command, path))


def test_a_document_is_validated_without_a_database_and_says_so() -> None:
    with chdir("/"):
        alone = CliRunner().invoke(app, ["policy", "validate", FILE], env={"DATABASE_URL": None})
    assert "is a valid policy. Its roles and users were not looked up: No stack runs in" in done(alone)


def test_no_command_prints_what_identifies_a_patient(clinic: Clinic, file: Saved) -> None:
    clinic.status(MANY)
    path = file(signal_edited("claim.denied", proceed="grey", needs_ack=False))
    said = "".join(done(mobius(clinic, command, path)) for command in ("preview", "diff", "publish"))
    for patient in clinic.patients:
        assert patient.display_name not in said
        assert patient.external_id not in said
