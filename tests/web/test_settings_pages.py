"""The settings pages: roles, keys with an expiry and their last use, the audit log, what the hub is made of."""

import re
from typing import Any


def test_a_role_is_changed_but_an_admin_stays(signed_in: Any) -> None:
    signed_in.submit("/settings/users", name="bob", role="viewer")
    assert signed_in.submit("/settings/users/2/role", role="operator").status_code == 303
    assert re.search(
        r'aria-label="Role of bob">.*?<option selected>operator', signed_in.send("GET", "/settings").text
    )
    refused = signed_in.submit("/settings/users/1/role", role="viewer")
    assert refused.status_code == 409
    assert "last administrator" in refused.text


def test_a_key_is_shown_once_and_tells_its_use_and_end(signed_in: Any) -> None:
    made = signed_in.submit("/settings/keys", name="robot", role="viewer", expires="2099-12-31").text
    found = re.search(r"uvk_[\w-]+", made)
    assert found
    page = signed_in.send("GET", "/settings").text
    assert found.group() not in page
    assert "2099-12-31 23:59:59" in page
    row = r'<tr id="key-2">.*?</tr>'
    assert "never" in re.findall(row, page, re.DOTALL)[0]

    assert signed_in.api("GET", "/status", key=found.group()).status_code == 200
    assert "never" not in re.findall(row, signed_in.send("GET", "/settings").text, re.DOTALL)[0]


def test_what_was_done_is_listed(signed_in: Any) -> None:
    signed_in.submit("/settings/users", name="bob", role="viewer")
    page = signed_in.send("GET", "/settings/audit").text
    assert "user: create" in page
    assert "bob" in page


def test_the_about_page_names_versions_and_licences(signed_in: Any) -> None:
    page = signed_in.send("GET", "/settings/about").text
    assert "htmx.org" in page
    assert "litestar" in page
    assert "see the package" not in page
