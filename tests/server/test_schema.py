"""The API keeps what its description says: schemathesis asks what it can think of, and finds nothing."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from hypothesis.strategies import SearchStrategy
from schemathesis import GenerationMode
from schemathesis import checks as known

from .conftest import Running

EXAMPLES = int(os.environ.get("OTMEL_SCHEMA_EXAMPLES", "12"))
known.load_all_checks()
CHECKS = known.CHECKS.get_by_names(
    [
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_headers_conformance",
        "response_schema_conformance",
        "negative_data_rejection",
        "unsupported_method",
        "ignored_auth",
    ]
)


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_the_description_is_kept(server: Running, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    asked = []
    for result in schema.get_all_operations():
        operation = result.ok()
        asked.append(operation.label)
        try:
            strategy = operation.as_strategy(generation_mode=mode)
            kept(strategy)
        except Unsatisfiable:  # there is nothing that could be wrong with it
            assert mode is GenerationMode.NEGATIVE
    assert len(asked) >= 12


def kept(strategy: SearchStrategy[Any]) -> None:
    """Ask, and look at each answer."""

    @settings(max_examples=EXAMPLES, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def asked(case: Any) -> None:
        answer = case.call(timeout=120)
        if answer.status_code == 503:
            assert answer.headers["retry-after"]
        else:
            case.validate_response(answer, checks=CHECKS)

    asked()


def test_everything_is_described(server: Running) -> None:
    with server.client() as client:
        paths = client.get("/openapi.json").json()["paths"]
    assert set(paths["/v1/entities"]) == {"get", "put"}
    for path, operations in paths.items():
        for method, operation in operations.items():
            statuses = set(operation["responses"])
            assert {"200", "405", "503"} <= statuses, path
            if method in ("post", "put"):
                assert {"400", "413", "415", "422", "429"} <= statuses, path
            if operation.get("security"):
                assert {"401", "403"} <= statuses, path
