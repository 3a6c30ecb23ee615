"""The OpenAPI 3.1 document, derived from the registry and the message types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import NODEFAULT

from shared.errors import (
    BodyTooLarge,
    DatabaseUnavailable,
    Forbidden,
    InvalidFields,
    MalformedRequest,
    MethodNotAllowed,
    MobiusError,
    NotFound,
    Overloaded,
    QueryTooLong,
    StillRunning,
    TooManyRequests,
    Unauthenticated,
    UnsupportedMediaType,
)
from shared.web.fields import IDEMPOTENCY_KEY, IDEMPOTENCY_KEY_PATTERN, is_struct, without_none
from shared.web.problems import PROBLEM_TYPE, Problem
from shared.web.registry import ENDPOINTS, Endpoint

Json = dict[str, Any]

_TITLE = "Mobius Mini + Sidecar"
_VERSION = "1"
_REF = "#/components/schemas/{name}"
_EVERY_CALL = (
    Unauthenticated,
    Forbidden,
    MethodNotAllowed,
    StillRunning,
    InvalidFields,
    MalformedRequest,
    Overloaded,
    TooManyRequests,
    MobiusError,
    DatabaseUnavailable,
)
_WITH_A_BODY = (BodyTooLarge, UnsupportedMediaType)
_WITH_A_QUERY = (QueryTooLong,)
_OF_A_WRITE = (NotFound,)


def openapi_document(server_url: str) -> Json:
    """The description of every endpoint of the registry, answering at ``server_url``."""
    types = {kind for each in ENDPOINTS for kind in (each.request, each.response)} | {Problem}
    in_order = sorted(types, key=lambda kind: kind.__name__)
    _, schemas = msgspec.json.schema_components(in_order, ref_template=_REF)
    for each in ENDPOINTS:
        # An answer leaves nothing out, also what has a default.
        answer = schemas[each.response.__name__]
        answer["required"] = list(answer["properties"])
    for kind in {each.request for each in ENDPOINTS}:
        _let_null_be_absent(kind, schemas[kind.__name__]["properties"])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": _TITLE,
            "version": _VERSION,
            "description": "What stands in a patient's way financially, and who acknowledged it.",
        },
        "servers": [{"url": server_url}],
        "security": [{"idToken": []}],
        "paths": {
            each.path: {method.lower(): _operation(each, method, schemas) for method in each.methods}
            for each in ENDPOINTS
        },
        "components": {
            "schemas": schemas,
            "headers": _HEADERS,
            "securitySchemes": {
                "idToken": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "A Firebase ID token with the claim tenant_id.",
                }
            },
        },
    }


_HEADERS: Json = {
    "CorrelationId": {
        "description": "Under which name this call is found again.",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    "RetryAfter": {
        "description": "After how many seconds to try again.",
        "schema": {"type": "integer", "minimum": 0},
    },
}
_CORRELATION_ID_PARAMETER: Json = {
    "name": "X-Correlation-Id",
    "in": "header",
    "description": "Taken over when it is a UUID, else made.",
    "schema": {"type": "string"},
}
_IDEMPOTENCY_KEY_PARAMETER: Json = {
    "name": IDEMPOTENCY_KEY,
    "in": "header",
    "description": "The same key and body again get the first answer again; another body gets 422.",
    "schema": {"type": "string", "pattern": f"^(?:{IDEMPOTENCY_KEY_PATTERN})$"},
}


def _operation(endpoint: Endpoint[Any, Any], method: str, schemas: Json) -> Json:
    posted = method == "POST"
    errors = (
        *_EVERY_CALL,
        *(_WITH_A_BODY if posted else _WITH_A_QUERY),
        *(_OF_A_WRITE if endpoint.writes else ()),
    )
    parameters = [_CORRELATION_ID_PARAMETER]
    if endpoint.idempotent:
        parameters.append(_IDEMPOTENCY_KEY_PARAMETER)
    operation: Json = {
        "operationId": f"{endpoint.surface}_{endpoint.target}" + ("" if posted else "_by_query"),
        "summary": endpoint.summary,
        "tags": [str(endpoint.surface)],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": endpoint.summary,
                "headers": {"X-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"}},
                "content": {"application/json": {"schema": _reference(endpoint.response)}},
            },
            **_problems(errors),
        },
    }
    if posted:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(endpoint.request)}},
        }
    else:
        parameters += _query_parameters(endpoint, schemas[endpoint.request.__name__]["properties"])
    return operation


def _query_parameters(endpoint: Endpoint[Any, Any], properties: Json) -> list[Json]:
    # A nested object has no form in a query: it is left to POST.
    return [
        {
            "name": field.name,
            "in": "query",
            "required": field.required,
            "schema": _not_null(properties[field.name], field.default),
        }
        for field in msgspec.structs.fields(endpoint.request)
        if not is_struct(without_none(field.type))
    ]


def _let_null_be_absent(kind: type[Any], properties: Json) -> None:
    # Everything that may be left out may be null as well; the types say so but where there is a default.
    for field in msgspec.structs.fields(kind):
        if field.default not in (None, NODEFAULT):
            plain = {name: value for name, value in properties[field.name].items() if name != "default"}
            properties[field.name] = {"anyOf": [plain, {"type": "null"}], "default": field.default}


def _not_null(schema: Json, default: object) -> Json:
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind != {"type": "null"}]
    plain = {name: value for name, value in kinds[0].items() if name != "default"}
    return plain if default in (None, NODEFAULT) else {**plain, "default": default}


def _problems(errors: Sequence[type[MobiusError]]) -> Json:
    problems: Json = {}
    for error in sorted(errors, key=lambda error: error.status):
        described = _problem(error)
        same = problems.setdefault(str(error.status), described)
        if same is not described:
            same["description"] += f" or {error.title.lower()}"
            same["headers"] |= described["headers"]
    return problems


def _problem(error: type[MobiusError]) -> Json:
    headers: Json = {"X-Correlation-Id": {"$ref": "#/components/headers/CorrelationId"}}
    if error.retry_after_s is not None:
        headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
    if error is Unauthenticated:
        headers["WWW-Authenticate"] = {"schema": {"type": "string", "const": "Bearer"}}
    if error is MethodNotAllowed:
        headers["Allow"] = {"schema": {"type": "string"}}
    return {
        "description": error.title,
        "headers": headers,
        "content": {PROBLEM_TYPE: {"schema": _reference(Problem)}},
    }


def _reference(kind: type[Any]) -> Json:
    return {"$ref": _REF.format(name=kind.__name__)}
