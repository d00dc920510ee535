"""Findings: their actions are links, forms and commands that can be used as they are displayed."""

import shlex

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ultraviolet.hub.core.finding import Action, Finding, StoredFinding


@pytest.mark.parametrize("action", Action)
def test_path_of_each_action_is_complete(action: Action) -> None:
    path = action.path(42)
    assert path.startswith("/")
    assert "{" not in path
    without = (Action.FETCH, Action.FULL_FETCH)
    assert ("42" in path) == (action not in without), "a fetch has its integration in the form"


@pytest.mark.parametrize("action", Action)
def test_only_a_fetch_has_form_fields(action: Action) -> None:
    mode = {Action.FETCH: "incremental", Action.FULL_FETCH: "full"}.get(action)
    assert action.fields(42) == ({"integration": "42", "mode": mode} if mode else {})


def test_links_need_no_role_and_buttons_do() -> None:
    roles = {action.value: action.role for action in Action}
    assert roles == {
        "repair_webhooks": "admin",
        "set_up_webhooks": None,
        "fix_credentials": None,
        "fetch": "operator",
        "test": "operator",
        "resume": "operator",
        "full_fetch": "operator",
        "rotate_webhook": None,
        "show_freshness": None,
        "show_fetches": None,
    }


@pytest.mark.parametrize(
    ("action", "name", "expected"),
    [
        (Action.FETCH, "plant-1", "ultraviolet fetch run plant-1"),
        (Action.RESUME, "plant 1", "ultraviolet integration resume 'plant 1'"),
        (Action.TEST, "-plant", "ultraviolet integration test -- -plant"),
        (Action.SHOW_FRESHNESS, "a; rm -r b", "ultraviolet freshness 'a; rm -r b'"),
        (Action.REPAIR_WEBHOOKS, "Kim's", "ultraviolet setup apply 'Kim'\"'\"'s'"),
    ],
)
def test_command_quotes_the_name_of_the_integration(
    action: Action, name: str, expected: str
) -> None:
    assert action.command(name) == expected


OPTIONS = {
    Action.FULL_FETCH: ["--mode", "full"],
    Action.FIX_CREDENTIALS: ["--client-id", "CLIENT_ID"],
}


@given(action=st.sampled_from(Action), name=st.text(min_size=1).filter(lambda s: "\0" not in s))
def test_shell_reads_any_name_as_one_argument(action: Action, name: str) -> None:
    words = shlex.split(action.command(name))
    assert words[-1] == name
    assert words[:-1] == [
        "ultraviolet",
        *action.verb.split(),
        *OPTIONS.get(action, []),
        *(["--"] if name.startswith("-") else []),
    ]


@pytest.mark.parametrize("action", Action)
def test_action_is_its_name_in_json(action: Action) -> None:
    finding = Finding("silent", "warning", "No event for a day.", "Check ION.", action)
    text = msgspec.json.encode(finding)
    assert f'"action":"{action.value}"'.encode() in text
    assert msgspec.json.decode(text, type=Finding) == finding
    assert msgspec.json.decode(text, type=Finding).action is action


def test_unknown_kind_or_severity_is_not_a_finding() -> None:
    valid = {"kind": "disk", "severity": "error", "message": "Full.", "next_step": "Delete."}
    assert msgspec.convert(valid, Finding) == Finding("disk", "error", "Full.", "Delete.")
    for wrong in ({"kind": "magic"}, {"severity": "fatal"}, {"action": "reboot"}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(valid | wrong, Finding)


def test_stored_finding_keeps_all_fields_of_a_finding() -> None:
    finding = Finding("gap", "error", "Lost.", "Sync now.", Action.FETCH, "parts", repaired=True)
    at = "2026-01-01T00:00:00.000000+00:00"
    times = {"found_at": at, "repaired_at": at, "resolved_at": None}
    stored = StoredFinding(**msgspec.structs.asdict(finding), id=1, integration_id=2, **times)
    shared = {name: getattr(stored, name) for name in Finding.__struct_fields__}
    assert shared == msgspec.structs.asdict(finding)
