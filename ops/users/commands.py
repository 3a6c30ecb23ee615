"""``mobius users``: who may come in."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.table import Table

from ops.installation import (
    DEFAULT_STATE_DIR,
    Installation,
    Refused,
    StateDirOption,
    TenantOption,
    find_installation,
    refusals,
)
from ops.policy.preview import counted
from ops.readable import Screen, Terminal
from ops.users.accounts import Accounts, Followed
from ops.users.identities import Identities, ProviderFailed, SignIn, find_identities
from ops.users.listing import identity_words, listed, mismatch
from ops.users.staff import StaffUser, StoredStaff
from shared.decisions.moments import moment_text
from shared.decisions.policy_fields import Line, Name
from shared.errors import MobiusError
from shared.model import TenantId, UserStatus
from shared.security.identity import development_token

app = typer.Typer(
    help="Who may come in: a tenant's users, their identities and their open items.", no_args_is_help=True
)

UserArgument = Annotated[str, typer.Argument(metavar="USER", help="The user's id or email address.")]
NewRoleOption = Annotated[
    bool, typer.Option("--new-role", help="The role is a new one; what it may do is the policy's.")
]
Email = Annotated[
    str, msgspec.Meta(max_length=254, pattern=r"\A[^@\s]+@[^@\s]+\Z", description="one email address")
]

_TOKEN_LASTS_S = 12 * 3600
_PIPED_WIDTH = 240
_AGAIN = "Run the same command again: it does what is missing, and nothing twice."
_NO_PROVIDER = (
    "This stack has no identity provider; set FIREBASE_AUTH_EMULATOR_HOST to use the Auth emulator."
)


class _Desk:
    """What the commands work with: one tenant's users here and at the identity provider."""

    def __init__(self, tenant: str | None, state_dir: Path | None) -> None:
        self.installation: Installation = find_installation(state_dir)
        self.tenant_id: TenantId = self.installation.tenant(tenant)
        self.identities: Identities | None = find_identities(self.installation.settings)
        self.staff = StoredStaff(self.installation.engine, self.tenant_id)
        self.master_secret = self.installation.settings.master_secret
        self.accounts = Accounts(self.staff, self.identities, self.master_secret)


@app.command("create")
def create_user(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="The address to sign in with.")],
    name: Annotated[str, typer.Option(help="What others see of them: their name.")],
    role: Annotated[str, typer.Option(help="What they are here, as the policy names it.")],
    new_role: NewRoleOption = False,
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Lets somebody in: makes identity and user, and a link to set a password. Again is the same."""
    with _resumable():
        _check(email, "EMAIL", Email)
        _check(name, "--name", Line)
        _check(role, "--role", Name)
        desk = _Desk(tenant, state_dir)
        user, is_new = desk.accounts.create(email, role, name, new_role=new_role)
        typer.echo(f"{'Created' if is_new else 'There already'}: {_told(user)}")
        for line in _how_to_get_in(desk, user, email):
            typer.echo(line)


@app.command("change")
def change_user(
    user: UserArgument,
    name: Annotated[str | None, typer.Option(help="Their name from now on.")] = None,
    role: Annotated[str | None, typer.Option(help="Their role from now on.")] = None,
    new_role: NewRoleOption = False,
    tenant: TenantOption = None,
    state_dir: StateDirOption = DEFAULT_STATE_DIR,
) -> None:
    """Gives a user another role or name."""
    with _resumable():
        if name is None and role is None:
            raise Refused("Say what is to change: --role or --name.")
        if name is not None:
            _check(name, "--name", Line)
        if role is not None:
            _check(role, "--role", Name)
        desk = _Desk(tenant, state_dir)
        before = desk.accounts.find(user)
        after = desk.accounts.change(before, role=role, display_name=name, new_role=new_role)
        typer.echo(f"{'Changed' if after != before else 'As it was'}: {_told(after)}")
        _follow(desk, after)


@app.command("disable")
def disable_user(
    user: UserArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Lets somebody in no more, ends their sign-ins, and hands their open items over."""
    # Late: the core takes a while to import, which the other commands need not pay.
    from ops.users.handover import hand_over_items

    with _resumable():
        desk = _Desk(tenant, state_dir)
        before = desk.accounts.find(user)
        after = desk.accounts.set_status(before, UserStatus.DISABLED)
        typer.echo(f"{'Disabled' if after != before else 'Disabled already'}: {_told(after)}")
        _follow(desk, after, revoke=True)
        handed = hand_over_items(desk.installation.engine, desk.master_secret, desk.tenant_id, after.user_id)
        typer.echo(f"{counted(handed.items, 'open item was', 'open items were')} handed over.")
        if handed.patients_left:
            patients = counted(handed.patients_left, "patient", "patients")
            raise Refused(
                f"Open items about {patients} stay with this user, who is disabled: the policy gives them to "
                "nobody else who works here. Publish one whose notifications.otherwise names a role or "
                "another user, then run this again."
            )


@app.command("enable")
def enable_user(
    user: UserArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Lets somebody in again who was disabled. They sign in anew; items that were handed over stay there."""
    with _resumable():
        desk = _Desk(tenant, state_dir)
        before = desk.accounts.find(user)
        after = desk.accounts.set_status(before, UserStatus.ACTIVE)
        typer.echo(f"{'Enabled' if after != before else 'Enabled already'}: {_told(after)}")
        _follow(desk, after)


@app.command("revoke")
def revoke_sign_ins(
    user: UserArgument, tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR
) -> None:
    """Ends all sign-ins of a user, who may sign in again."""
    with _resumable():
        desk = _Desk(tenant, state_dir)
        found = desk.accounts.find(user)
        desk.accounts.revoke(found)
        typer.echo(f"Every sign-in until now is revoked: {_told(found)}")
        _follow(desk, found, revoke=True)


@app.command("list")
def list_users(tenant: TenantOption = None, state_dir: StateDirOption = DEFAULT_STATE_DIR) -> None:
    """Shows who may come in, what the identity provider says of them, and what doesn't fit together."""
    with refusals():
        desk = _Desk(tenant, state_dir)
        users = desk.staff.everybody()
        identities, not_asked = _every_identity(desk.identities)
        lines = tuple(listed(users, identities, desk.tenant_id))
        table = Table("user", "name", "role", "status", "last sign-in", "identity")
        table.columns[0].no_wrap = True
        for line in lines:
            said = "not asked" if not_asked else identity_words(line, desk.tenant_id)
            table.add_row(*_columns(line.user), said)
        screen = Screen(_console())
        screen.print(table)
        if not_asked:
            screen.print(not_asked)
            return
        for line in lines:
            found = mismatch(line, desk.tenant_id)
            if found is not None:
                who = line.user.display_name if line.user else line.identity and line.identity.email
                screen.print(f"{found.what}: {who}. To mend it: {found.mend}")


def _every_identity(identities: Identities | None) -> tuple[tuple[SignIn, ...], str | None]:
    """All that the identity provider has; and a sentence, if it could not be asked."""
    if identities is None:
        return (), _NO_PROVIDER
    try:
        return tuple(identities.everybody()), None
    except ProviderFailed as error:
        return (), str(error)


def _how_to_get_in(desk: _Desk, user: StaffUser, email: str) -> Iterator[str]:
    if desk.identities is not None:
        yield f"Identity: {desk.identities.name}. At this link they set a password:"
        yield desk.identities.reset_link(email)
        return
    project = desk.installation.settings.project_id
    token = development_token(project, user.user_id, desk.tenant_id, _TOKEN_LASTS_S)
    yield f"{_NO_PROVIDER} Only the row was made. To act as this user for 12 hours:"
    yield f"TOKEN={shlex.quote(token)}"


def _follow(desk: _Desk, user: StaffUser, *, revoke: bool = False) -> None:
    """Has the identity follow the row, and says what became of it."""
    followed = desk.accounts.follow(user, revoke=revoke)
    name = desk.identities.name if desk.identities else ""
    sentences = {
        Followed.DONE: f"Identity: {name} says the same.",
        Followed.NO_PROVIDER: f"{_NO_PROVIDER} Only the row was changed.",
        Followed.MISSING: f"Identity: {name} has none for this user, who can't sign in.",
        Followed.FOREIGN: f"Identity: the one in {name} is another tenant's, and was left alone.",
    }
    typer.echo(sentences[followed])


def _columns(user: StaffUser | None) -> tuple[str, str, str, str, str]:
    if user is None:
        return "-", "-", "-", "-", "-"
    seen = moment_text(user.last_login_at) if user.last_login_at else "never"
    return str(user.user_id), user.display_name, user.role, user.status.value, seen


def _told(user: StaffUser) -> str:
    return f"{user.display_name}, {user.role}, {user.status}, user {user.user_id}"


def _console() -> Terminal:
    """The terminal as it is; for a program that reads along, lines that are long enough."""
    console = Terminal(highlight=False)
    return console if console.is_terminal else Terminal(highlight=False, width=_PIPED_WIDTH)


def _check(value: str, option: str, kind: Any) -> None:
    """Refused unless ``value`` is of the annotated ``kind``."""
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        meant = next(each.description for each in kind.__metadata__ if isinstance(each, msgspec.Meta))
        raise Refused(f"{option} must be {meant}.") from None


@contextmanager
def _resumable() -> Iterator[None]:
    """As ``refusals``; where a command could not go on, it says how it does."""
    with refusals():
        try:
            yield
        except (ProviderFailed, MobiusError) as error:
            raise Refused(f"{error} {_AGAIN}") from None
        except KeyboardInterrupt:
            raise Refused(f"Interrupted. {_AGAIN}") from None
