"""The one list of endpoints.

The decorator, the local gateway, the OpenAPI document, the deploy script and the extension's types
are derived from it. A new endpoint is one entry here and its messages.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shared.model import Surface
from shared.web.break_glass_messages import (
    BreakGlassListRequest,
    BreakGlassListResponse,
    BreakGlassRequest,
    BreakGlassResponse,
)
from shared.web.config_messages import ConfigRequest, ConfigResponse
from shared.web.logging import Constant
from shared.web.messages import (
    AckRequest,
    AckResponse,
    Answer,
    DismissRequest,
    DismissResponse,
    InteractionRequest,
    InteractionResponse,
    Request,
    SearchRequest,
    SearchResponse,
    StatusRequest,
    StatusResponse,
)
from shared.web.panel_messages import (
    ChatRequest,
    ChatResponse,
    ClaimRequest,
    ClaimResponse,
    HistoryRequest,
    HistoryResponse,
    InboxRequest,
    InboxResponse,
    StateRequest,
    StateResponse,
)

Q = TypeVar("Q", bound=Request)
R = TypeVar("R", bound=Answer)

# A read takes the same names in the query or in the body: existing clients post to read endpoints.
READ = ("GET", "POST")
WRITE = ("POST",)


@dataclass(frozen=True, kw_only=True)
class Endpoint(Generic[Q, R]):
    """One endpoint: what it is called, what goes in, what comes out."""

    surface: Surface
    name: str
    methods: tuple[str, ...]
    request: type[Q]
    response: type[R]
    summary: str
    idempotent: bool = False
    """Whether an ``Idempotency-Key`` header is heeded."""

    @property
    def key(self) -> Constant:
        """How logs, the stack file and the deploy script call it: ``mini/status``."""
        return Constant(f"{self.surface}/{self.name}")

    @property
    def path(self) -> str:
        """The canonical path."""
        return f"/api/v1/{self.key}"

    @property
    def source(self) -> str:
        """The file that holds the function."""
        return f"functions/{self.surface}/main.py"

    @property
    def target(self) -> str:
        """The function's name in ``source``."""
        return self.name.replace("/", "_").replace("-", "_")

    @property
    def writes(self) -> bool:
        """Whether calling it commits state."""
        return "GET" not in self.methods


MINI_STATUS = Endpoint(
    surface=Surface.MINI,
    name="status",
    methods=READ,
    request=StatusRequest,
    response=StatusResponse,
    summary="The patient on the page in one glance",
)
MINI_ACK = Endpoint(
    surface=Surface.MINI,
    name="ack",
    methods=WRITE,
    request=AckRequest,
    response=AckResponse,
    summary="Send: acknowledge what Mini shows",
    idempotent=True,
)
MINI_PATIENT_SEARCH = Endpoint(
    surface=Surface.MINI,
    name="patient/search",
    methods=READ,
    request=SearchRequest,
    response=SearchResponse,
    summary="Find a patient by name or id",
)
SIDECAR_STATE = Endpoint(
    surface=Surface.SIDECAR,
    name="state",
    methods=READ,
    request=StateRequest,
    response=StateResponse,
    summary="The patient's state with rationale, history and inbox",
)
SIDECAR_ACK = Endpoint(
    surface=Surface.SIDECAR,
    name="ack",
    methods=WRITE,
    request=AckRequest,
    response=AckResponse,
    summary="Send: acknowledge what Sidecar shows",
    idempotent=True,
)


def _both(
    name: str, request: type[Q], response: type[R], summary: str, methods: tuple[str, ...] = WRITE
) -> tuple[Endpoint[Q, R], Endpoint[Q, R]]:
    """An endpoint that Mini and Sidecar have alike."""
    mini, sidecar = (
        Endpoint(surface=s, name=name, methods=methods, request=request, response=response, summary=summary)
        for s in (Surface.MINI, Surface.SIDECAR)
    )
    return mini, sidecar


MINI_CONFIG, SIDECAR_CONFIG = _both(
    "config",
    ConfigRequest,
    ConfigResponse,
    "Who is signed in, and what policy says about their clients",
    READ,
)
MINI_DISMISS, SIDECAR_DISMISS = _both(
    "dismiss", DismissRequest, DismissResponse, "Set a response aside without acknowledging it"
)
MINI_INTERACTION, SIDECAR_INTERACTION = _both(
    "interaction", InteractionRequest, InteractionResponse, "What the user did without committing anything"
)
SIDECAR_HISTORY = Endpoint(
    surface=Surface.SIDECAR,
    name="history",
    methods=READ,
    request=HistoryRequest,
    response=HistoryResponse,
    summary="The patient's ledger, page by page",
)
SIDECAR_INBOX = Endpoint(
    surface=Surface.SIDECAR,
    name="inbox",
    methods=READ,
    request=InboxRequest,
    response=InboxResponse,
    summary="The signed-in user's open assignments, page by page",
)
SIDECAR_CLAIM = Endpoint(
    surface=Surface.SIDECAR,
    name="assignment/claim",
    methods=WRITE,
    request=ClaimRequest,
    response=ClaimResponse,
    summary="Take an open assignment on",
)
SIDECAR_CHAT = Endpoint(
    surface=Surface.SIDECAR,
    name="chat/message",
    methods=WRITE,
    request=ChatRequest,
    response=ChatResponse,
    summary="Ask about the patient's state",
)

MINI_BREAK_GLASS, SIDECAR_BREAK_GLASS = _both(
    "break-glass", BreakGlassRequest, BreakGlassResponse, "Open what policy keeps from the role, and say why"
)
SIDECAR_BREAK_GLASS_LIST = Endpoint(
    surface=Surface.SIDECAR,
    name="break-glass/list",
    methods=READ,
    request=BreakGlassListRequest,
    response=BreakGlassListResponse,
    summary="Who has broken the glass, for the tenant's auditors, page by page",
)

ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    MINI_STATUS,
    MINI_ACK,
    MINI_CONFIG,
    MINI_PATIENT_SEARCH,
    MINI_DISMISS,
    MINI_INTERACTION,
    MINI_BREAK_GLASS,
    SIDECAR_CONFIG,
    SIDECAR_STATE,
    SIDECAR_ACK,
    SIDECAR_HISTORY,
    SIDECAR_INBOX,
    SIDECAR_CLAIM,
    SIDECAR_CHAT,
    SIDECAR_DISMISS,
    SIDECAR_INTERACTION,
    SIDECAR_BREAK_GLASS,
    SIDECAR_BREAK_GLASS_LIST,
)
