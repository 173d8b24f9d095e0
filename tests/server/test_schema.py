"""The API keeps what its description says: schemathesis asks what it can think of, and finds nothing."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
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


@pytest.fixture(scope="module")
def described(server: Running) -> Any:
    return schemathesis.openapi.from_url(f"{server.url}/openapi.json")


schema = schemathesis.pytest.from_fixture("described")


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_the_description_is_kept(case: Any) -> None:
    answer = case.call(timeout=60)
    if answer.status_code != 503:
        case.validate_response(answer, checks=CHECKS)
    else:
        assert answer.headers["retry-after"]


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
