"""Certificates of the local ION, and clients that trust its authority."""

import os
import ssl
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ultraviolet.local_ion.http.tls import ensure_certificates
from ultraviolet.testing import running_local_ion

SCRIPT = """
import os, requests
url = os.environ["ION_API_URI"]
form = {"grant_type": "client_credentials", "client_id": os.environ["ION_CLIENT_ID"],
        "client_secret": os.environ["ION_CLIENT_SECRET"]}
token = requests.post(f"{url}/realms/api-keys/protocol/openid-connect/token", data=form, timeout=20).json()
answer = requests.post(f"{url}/graphql", json={"query": "{ me { name } }"}, timeout=20,
                       headers={"Authorization": token["access_token"]})
print(answer.json()["data"]["me"]["name"])
"""


def test_requests_trusts_the_authority_of_the_environment(tmp_path: Path) -> None:
    with running_local_ion(tmp_path / "data", ["--tls", "--no-plant"]) as ion:
        environment = {
            **os.environ,
            "ION_API_URI": ion.url,
            "ION_CLIENT_ID": ion.client_id,
            "ION_CLIENT_SECRET": ion.client_secret,
        }
        command = [sys.executable, "-c", SCRIPT]

        def run(**more: str) -> subprocess.CompletedProcess[str]:
            environ = {**environment, **more}
            return subprocess.run(
                command, capture_output=True, text=True, timeout=60, check=False, env=environ
            )

        trusting = run(REQUESTS_CA_BUNDLE=str(ion.ca_file))
        assert ("Ada Admin\n", 0) == (trusting.stdout, trusting.returncode), trusting.stderr
        assert "CERTIFICATE_VERIFY_FAILED" in run().stderr


def test_authority_is_persistent_and_keys_are_private(tmp_path: Path) -> None:
    first = ensure_certificates(tmp_path, "localhost")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert first == ensure_certificates(tmp_path, "127.0.0.1")
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"ca.pem", "ca-key.pem", "server.pem", "server-key.pem"} == set(before)
    for name in ("ca-key.pem", "server-key.pem"):
        assert 0o600 == stat.S_IMODE((tmp_path / name).stat().st_mode)


@pytest.mark.parametrize("host", ["ion.example.com", "10.1.2.3"])
def test_new_host_name_gets_a_new_certificate_of_the_same_authority(
    tmp_path: Path, host: str
) -> None:
    found = ensure_certificates(tmp_path, "localhost")
    authority, certificate = found.authority.read_bytes(), found.certificate.read_bytes()
    ensure_certificates(tmp_path, host)
    assert authority == found.authority.read_bytes()
    assert certificate != found.certificate.read_bytes()


def test_new_authority_issues_a_new_certificate(tmp_path: Path) -> None:
    found = ensure_certificates(tmp_path, "localhost")
    certificate = found.certificate.read_bytes()
    found.authority.unlink()
    ensure_certificates(tmp_path, "localhost")
    assert certificate != found.certificate.read_bytes()
    context = ssl.create_default_context(cafile=str(found.authority))
    assert 1 == context.cert_store_stats()["x509_ca"]
