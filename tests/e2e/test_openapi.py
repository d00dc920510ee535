"""Responses of a running hub match its OpenAPI document for any request and role."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import HubProcess, StartHub, send

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth"
LINES = """import schemathesis
schemathesis.serializer.alias("application/jsonl", "text/plain")"""
ROLES = ("viewer", "operator", "admin")


def key_of(hub: HubProcess, role: str) -> str:
    return hub.api("POST", "/api-keys", {"name": role, "role": role})["token"]


@pytest.mark.parametrize("role", ROLES)
def test_every_response_matches_the_document(
    hub: HubProcess, start_hub: StartHub, tmp_path: Path, role: str
) -> None:
    if role == "admin":  # who can change the hub for all others
        hub = start_hub()
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{hub.url}/api/openapi.json"),
        *("--header", f"Authorization: Bearer {key_of(hub, role)}", "--checks", CHECKS),
        *("--phases", "coverage,fuzzing", "--max-examples", "4", "--seed", "1", "--no-color"),
        # One would revoke the very key that is asked with, the other does not end.
        *("--exclude-path-regex", "/api-keys/|/changes/stream"),
    ]
    (tmp_path / "lines.py").write_text(LINES)
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "lines"},
    )
    assert done.returncode == 0, done.stdout[-6000:]


def test_insufficient_role_is_refused_before_other_checks(hub: HubProcess) -> None:
    """Each operation checks its required role first."""
    keys = {
        role: hub.api("POST", "/api-keys", {"name": f"insufficient {role}", "role": role})["token"]
        for role in ROLES
    }
    _, document = send(
        "GET", f"{hub.url}/api/openapi.json", authorization=f"Bearer {keys['viewer']}"
    )
    for path, operations in json.loads(document)["paths"].items():
        address = hub.url + re.sub(r"\{\w+\}", "1", path)
        for method, operation in operations.items():
            ((role_needed,),) = (each["key"] for each in operation["security"])
            needed = ROLES.index(role_needed)
            for role in ROLES[:needed]:
                body = b"{}" if method in ("post", "patch", "put") else None
                headers = {
                    "authorization": f"Bearer {keys[role]}",
                    "content_type": "application/json",
                }
                status, _ = send(method.upper(), address, body, **headers)
                assert status == 403, (role, method, path)
            assert send(method.upper(), address)[0] == 401, (method, path)
