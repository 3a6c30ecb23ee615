"""The OpenAPI document is valid and says what the registry and the types say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from shared.web.openapi import openapi_document
from shared.web.registry import ENDPOINTS, Endpoint

SERVER = "http://127.0.0.1:8080"
DOCUMENT = openapi_document(SERVER)


def operation(path: str, method: str) -> Any:
    return DOCUMENT["paths"][path][method]


def test_the_document_is_valid_and_json() -> None:
    OpenAPIV31SpecValidator(json.loads(json.dumps(DOCUMENT))).validate()
    assert DOCUMENT["servers"] == [{"url": SERVER}]


def test_every_endpoint_is_described_with_every_method_it_takes() -> None:
    described = {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}
    assert described == {(each.path, method.lower()) for each in ENDPOINTS for method in each.methods}


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: endpoint.key)
def test_every_error_an_endpoint_can_give_is_described_as_a_problem(endpoint: Endpoint[Any, Any]) -> None:
    responses = operation(endpoint.path, "post")["responses"]
    expected = {"200", "400", "401", "403", "405", "409", "413", "415", "422", "429", "500", "503"}
    assert set(responses) == expected | ({"404"} if endpoint.writes else set())
    for status, response in responses.items():
        assert "X-Correlation-Id" in response["headers"]
        if status != "200":
            assert set(response["content"]) == {"application/problem+json"}
    for status in ("429", "503"):
        assert "Retry-After" in responses[status]["headers"]


@pytest.mark.parametrize(
    "endpoint", [each for each in ENDPOINTS if "GET" in each.methods], ids=lambda endpoint: endpoint.key
)
def test_a_query_has_errors_of_its_own_and_none_of_a_body(endpoint: Endpoint[Any, Any]) -> None:
    posted, got = (set(operation(endpoint.path, method)["responses"]) for method in ("post", "get"))
    assert got - posted == {"414"}
    assert posted - got == {"413", "415"}


def test_errors_that_share_a_status_are_all_named() -> None:
    described = operation("/api/v1/mini/ack", "post")["responses"]["503"]["description"]
    assert described == "Too busy or temporarily unavailable"


def test_only_acknowledgements_heed_an_idempotency_key() -> None:
    heeding = {
        path
        for path, item in DOCUMENT["paths"].items()
        if any(parameter["name"] == "Idempotency-Key" for parameter in item["post"]["parameters"])
    }
    assert heeding == {"/api/v1/mini/ack", "/api/v1/sidecar/ack"}


def test_a_read_takes_its_fields_from_the_query_but_for_nested_ones() -> None:
    parameters = {p["name"]: p for p in operation("/api/v1/mini/status", "get")["parameters"]}
    assert parameters["session_id"]["required"]
    assert not parameters["patient_key"]["required"]
    assert "detection" not in parameters
    limit = next(
        p for p in operation("/api/v1/mini/patient/search", "get")["parameters"] if p["name"] == "limit"
    )
    assert limit["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": 25,
        "default": 8,
        "description": "a whole number from 1 to 25",
    }


def test_an_answer_has_every_field_it_names() -> None:
    for endpoint in ENDPOINTS:
        schema = DOCUMENT["components"]["schemas"][endpoint.response.__name__]
        assert set(schema["required"]) == set(schema["properties"])
        assert {"ok", "session_id", "surface"} <= set(schema["properties"])


def test_every_endpoint_says_where_its_function_is() -> None:
    search = next(each for each in ENDPOINTS if each.key == "mini/patient/search")
    assert search.path == "/api/v1/mini/patient/search"
    assert search.source == "functions/mini/main.py"
    assert search.target == "patient_search"
    assert (
        len({each.path for each in ENDPOINTS})
        == len({(e.source, e.target) for e in ENDPOINTS})
        == len(ENDPOINTS)
    )
