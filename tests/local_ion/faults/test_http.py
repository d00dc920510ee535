"""Faults of connections and responses, and the time limit of a request."""

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ultraviolet.testing import TOKEN_PATH, LocalIonProcess, running_local_ion

ME = b'{"query": "{ me { name } }"}'
EVERYTHING = "{ permissionGroups { edges { node { id name family _created _updated _etag } } } }"


def connect(ion: LocalIonProcess, timeout: float = 20) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(urlsplit(ion.url).netloc, timeout=timeout)


def ask(ion: LocalIonProcess, body: bytes = ME) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = connect(ion)
    try:
        connection.request("POST", "/graphql", body, {"authorization": ion.token()})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()
    finally:
        connection.close()


def test_latency_delays_a_response(ion: LocalIonProcess) -> None:
    ion.token()
    ion.faults.set("latency", seconds=0.3)
    began = time.monotonic()
    assert ask(ion)[0] == 200
    assert time.monotonic() - began >= 0.3
    assert ion.faults.triggered("latency") == 1


@pytest.mark.parametrize("status", [500, 502, 503])
def test_error_fault_returns_a_page_instead_of_json(ion: LocalIonProcess, status: int) -> None:
    ion.token()
    ion.faults.set("error", status=status, count=1)
    answer, headers, body = ask(ion)
    assert (answer, headers.get_content_type()) == (status, "text/html")
    assert body.startswith(b"<html>")
    assert ask(ion)[0] == 200


def test_rate_limit_returns_retry_after(ion: LocalIonProcess) -> None:
    ion.token()
    ion.faults.set("rate_limit", above_rate=2, seconds=7)
    answers = [ask(ion) for _ in range(4)]
    refused = [headers for status, headers, _ in answers if status == 429]
    assert answers[0][0] == 200
    assert refused
    assert {headers["retry-after"] for headers in refused} == {"7"}


def test_fault_can_target_only_the_token_path(ion: LocalIonProcess) -> None:
    token = ion.token()
    ion.faults.set("error", only=f"*{TOKEN_PATH}", status=500)
    assert ask(ion)[0] == 200
    connection = connect(ion)
    connection.request(
        "POST", TOKEN_PATH, b"grant_type=client_credentials", {"authorization": token}
    )
    assert connection.getresponse().status == 500
    connection.close()


def test_connection_is_reset_before_the_response(ion: LocalIonProcess) -> None:
    ion.token()
    ion.faults.set("reset", count=1)
    with pytest.raises(ConnectionResetError):
        ask(ion)
    assert ask(ion)[0] == 200


def test_body_is_cut_in_the_middle(ion: LocalIonProcess) -> None:
    ion.token()
    ion.faults.set("cut_body", count=1)
    with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
        ask(ion)
    assert ask(ion)[0] == 200


def test_slow_body_arrives_complete(ion: LocalIonProcess) -> None:
    whole = ask(ion)[2]
    ion.faults.set("slow_body", seconds=0.02, number=8)
    began = time.monotonic()
    assert ask(ion)[2] == whole
    assert time.monotonic() - began >= 8 * 0.02


def test_request_can_stay_without_a_response(ion: LocalIonProcess) -> None:
    ion.token()
    ion.faults.set("no_response", count=1)
    connection = connect(ion, timeout=0.5)
    connection.request("POST", "/graphql", ME, {"authorization": ion.token()})
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert ask(ion)[0] == 200


def test_pages_and_control_api_have_no_faults(ion: LocalIonProcess) -> None:
    ion.faults.set("error")
    ion.faults.set("reset")
    connection = connect(ion)
    connection.request("GET", "/home")
    assert connection.getresponse().status == 200
    connection.close()
    assert [each["triggered"] for each in ion.faults.listed()] == [0, 0]


def test_large_responses_are_complete(ion: LocalIonProcess) -> None:
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ion.post([{"query": EVERYTHING}] * 30), range(4)))
    assert all(len(answer) == 30 for answer in answers)
    assert {
        len(each["data"]["permissionGroups"]["edges"]) for answer in answers for each in answer
    } == {len(ion.execute(EVERYTHING)["permissionGroups"]["edges"])}


def test_response_after_the_time_limit_is_502(tmp_path: Path) -> None:
    with running_local_ion(tmp_path / "data", ["--no-plant", "--time-limit", "1"]) as ion:
        ion.token()
        ion.faults.set("latency", seconds=60, count=1)
        status, headers, body = ask(ion)
        assert (status, headers.get_content_type()) == (502, "text/html")
        assert b"502 Bad Gateway" in body
        ion.faults.set("slow_body", seconds=0.3, number=6)
        assert b'"data"' in ask(ion)[2]  # an answer that has begun may take its time
        ion.faults.clear()
        assert ask(ion)[0] == 200


def test_idle_client_does_not_block_others(ion: LocalIonProcess) -> None:
    address = urlsplit(ion.url)
    with socket.create_connection((address.hostname or "", address.port or 0)):
        done = threading.Event()
        threading.Thread(target=lambda: (ask(ion), done.set())).start()
        assert done.wait(20)
