"""The documentation that the hub serves, and the reference of its API."""

import re
from html import unescape
from typing import Any
from urllib.parse import urljoin, urlsplit

import msgspec
import pytest
from docs.generate import errors, routes
from tests.web.conftest import ADMIN_KEY

from ultraviolet.web.pages.documentation import documents
from ultraviolet.web.pages.documentation.addresses import documentation_of

DOCUMENTS = sorted(documents.names())
OTHER_PAGES = {"/api/docs", "/api/openapi.json"}
LINK = re.compile(r'<a [^>]*href="([^"]+)"')
ID = re.compile(r' id="([^"]+)"')


@pytest.fixture
def store_url(sqlite_url: str) -> str:
    """The documentation does not use the database, so one kind is enough."""
    return sqlite_url


def open_page(edge: Any, address: str) -> str:
    answer = edge.send("GET", address)
    assert (address, 200) == (address, answer.status_code)
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def anchors(edge: Any) -> dict[str, set[str]]:
    """Return the anchors of every document by its address."""
    addresses = map(documents.address_of, DOCUMENTS)
    return {address: set(ID.findall(open_page(edge, address))) for address in addresses}


def article(page: str) -> str:
    return page.partition("<article")[2].partition("</article>")[0]


def test_links_in_documents_have_existing_targets(signed_in: Any) -> None:
    known = anchors(signed_in)
    broken: list[tuple[str, str]] = []
    for address in known:
        text = article(open_page(signed_in, address))
        assert "<h1" in text, address
        for link in {unescape(link) for link in LINK.findall(text)}:
            target = urlsplit(urljoin(address, link))
            at = known.get(target.path)
            if target.netloc or target.path in OTHER_PAGES:
                continue
            if at is None or (target.fragment and target.fragment not in at):
                broken.append((address, link))

    assert [] == broken


def test_every_document_is_listed_and_reached_by_next_links(signed_in: Any) -> None:
    page = open_page(signed_in, "/docs")
    listed = set(re.findall(r'<li><a href="(/docs/[^"]+)"', page))
    assert listed == {documents.address_of(name) for name in DOCUMENTS if name != "index"}

    visited = ["/docs"]
    while following := re.search(r'<a rel="next" href="([^"]+)"', page):
        visited.append(following[1])
        page = open_page(signed_in, following[1])
        assert f'<a rel="prev" href="{visited[-2]}"' in page
    assert set(visited) == {"/docs", *listed}


def test_document_has_contents_code_to_copy_and_tables(signed_in: Any) -> None:
    page = open_page(signed_in, "/docs/how-to/sql-and-exports")

    contents = re.findall(r'<li class="level-\d"><a href="#([^"]+)">([^<]+)</a>', page)
    assert ("follow-links", "Follow links") in contents
    assert {anchor for anchor, _ in contents} <= set(ID.findall(article(page)))
    code = re.search(r'<pre id="(code-\d+)" tabindex="0">SELECT o\.integration, o\.id', page)
    assert code
    assert f'data-copy="{code[1]}"' in page
    assert '<div class="scroll" tabindex="0"><table>' in page


def test_titles_and_texts_are_searched(signed_in: Any) -> None:
    page = open_page(signed_in, "/docs?q=idempotency+keys")
    results = page.partition('class="docs-results"')[2]

    assert LINK.findall(results)[0] == "/docs/api#idempotency-keys"
    assert "<mark>" in results
    assert "/docs/how-to/sql-and-exports#" in open_page(signed_in, "/docs?q=byte order mark")
    assert "No section contains “&lt;b&gt;nothing”" in open_page(signed_in, "/docs?q=<b>nothing")


def test_search_results_have_existing_anchors(signed_in: Any) -> None:
    known = anchors(signed_in)
    for words in ("the", "error", "ultraviolet", "ion"):
        results = open_page(signed_in, f"/docs?q={words}").partition('class="docs-results"')[2]
        found = [link.partition("#") for link in LINK.findall(results)]

        assert len(found) > 10
        assert [] == [at for at in found if at[2] and at[2] not in known[at[0]]]


def test_images_are_served_and_other_files_are_not(signed_in: Any) -> None:
    image = signed_in.send("GET", "/docs/how-it-works.svg")
    assert (200, "image/svg+xml") == (image.status_code, image.headers["content-type"])

    for path in ("conf.py", "generate/errors.py", "../pyproject.toml", "..%2fpyproject.toml", "no"):
        answer = signed_in.send("GET", f"/docs/{path}")
        assert (path, 404) == (path, answer.status_code)
    assert "The documentation has no page “no”" in signed_in.send("GET", "/docs/no").text


def test_documentation_requires_signing_in_and_the_role_viewer(edge: Any) -> None:
    for path in ("/docs", "/docs/concepts", "/api/docs"):
        answer = edge.send("GET", path)
        assert (path, 303) == (path, answer.status_code)
        assert answer.headers["location"].startswith("/sign-in?")
    key = edge.api("POST", "/api-keys", {"name": "reader", "role": "viewer"}).json()["token"]
    headers = {"authorization": f"Bearer {key}"}
    assert edge.send("GET", "/docs/concepts", headers=headers).status_code == 200


@pytest.mark.parametrize("hub_settings", [{"public_url": "https://hub.example.com"}])
def test_type_of_a_problem_is_an_address_that_needs_no_sign_in(edge: Any) -> None:
    problem = edge.api("POST", "/users", {"name": "bob", "role": "king"}).json()
    address, _, anchor = problem["type"].partition("#")
    assert address == "https://hub.example.com/docs/reference/errors"
    page = edge.send("GET", address.removeprefix("https://hub.example.com"))
    assert page.status_code == 200
    assert f'id="{anchor}"' in page.text
    assert "<nav" not in page.text


@pytest.mark.parametrize("hub_settings", [{"public_url": "http://hub.test/uv"}])
def test_links_begin_with_the_path_of_the_public_url(signed_in: Any) -> None:
    page = open_page(signed_in, "/uv/docs")

    paths = {urlsplit(link).path for link in LINK.findall(page) if link.startswith("/")}
    assert [path for path in paths if not path.startswith("/uv/")] == []
    assert "/uv/docs/quick-start" in paths
    problem = signed_in.api("GET", "/nowhere").json()
    assert problem["type"] == "http://hub.test/uv/docs/reference/errors#not-found"


def test_every_page_has_documentation(signed_in: Any) -> None:
    known = anchors(signed_in)
    pages = [
        path
        for path, method, *_ in routes.routes(routes.all_pages())
        if method == "GET" and path not in ("/palette", "/navigation/badges")  # JSON
    ]
    targets = {page: documentation_of(page).partition("#") for page in pages}

    at_index = {"/docs", "/docs/{path}", "/docs/reference/errors"}
    assert at_index | {"/openapi.json", "/redoc", "/swagger"} == {
        page for page, (path, _, _) in targets.items() if path == "/docs"
    }
    assert {} == {
        page: anchor
        for page, (path, _, anchor) in targets.items()
        if path not in known or (anchor and anchor not in known[path])
    }


def test_documentation_of_a_page_is_found_by_its_real_path() -> None:
    assert documentation_of("/") == "/docs/pages#overview"
    assert documentation_of("/integrations/7/set-up") == "/docs/setup#4-set-up-webhooks-in-ion"
    assert documentation_of("/integrations/7") == "/docs/pages#integrations"
    assert documentation_of("/objects/parts/12") == "/docs/pages#objects"
    assert documentation_of("/unknown") == "/docs"


KINDS = sorted(
    {
        error.kind
        for error in errors.errors()
        if not error.__module__.startswith("ultraviolet.local_ion")
    }
    | {"method-not-allowed", "too-large"}
)


def test_type_of_each_problem_is_an_anchor_of_the_documentation(signed_in: Any) -> None:
    known = ID.findall(open_page(signed_in, "/docs/reference/errors"))

    assert [] == [kind for kind in KINDS if kind not in known]


def test_type_of_a_problem_resolves(signed_in: Any) -> None:
    problem = signed_in.api("GET", "/nowhere").json()

    address = urlsplit(problem["type"])
    assert problem["type"].startswith("http://hub.test/docs/")
    page = open_page(signed_in, address.path)
    assert f'<h3 id="{address.fragment}"' in page


@pytest.mark.parametrize("hub_settings", [{"public_url": "http://127.0.0.1:8000"}])
def test_type_of_a_problem_is_relative_without_a_public_url(edge: Any) -> None:
    assert edge.api("GET", "/nowhere").json()["type"] == "/docs/reference/errors#not-found"


def test_reference_of_the_api_has_its_own_policy(signed_in: Any) -> None:
    answer = signed_in.send("GET", "/api/docs")
    policies = answer.headers.get_list("content-security-policy")
    other = signed_in.send("GET", "/docs").headers.get_list("content-security-policy")

    assert answer.status_code == 200
    assert ["'unsafe-inline'" in policy for policy in policies] == [True]
    assert ["'unsafe-inline'" in policy for policy in other] == [False]
    assert not re.search(r"script-src[^;]*unsafe", policies[0])
    scripts = re.findall(r'<script src="([^"]+)"', answer.text)
    assert [200] * 3 == [signed_in.send("GET", script).status_code for script in scripts]
    assert "<script>" not in answer.text


def test_usual_addresses_of_an_api_reference_redirect(signed_in: Any) -> None:
    targets = {
        "/openapi.json": "/api/openapi.json",
        "/redoc": "/api/docs",
        "/swagger": "/api/docs",
    }
    for path, target in targets.items():
        answer = signed_in.send("GET", path)
        assert (302, target) == (answer.status_code, answer.headers["location"])
        assert signed_in.send("GET", target).status_code == 200


def test_unknown_addresses_below_api_have_the_error_page_of_the_hub(signed_in: Any) -> None:
    for path in ("/api", "/api/swagger", "/api/x.html"):
        answer = signed_in.send("GET", path)
        assert (path, 404) == (path, answer.status_code)
        assert "<h1>This page does not exist</h1>" in answer.text
        program = signed_in.send("GET", path, headers={"accept": "application/json"})
        assert program.json()["type"].endswith("/docs/reference/errors#not-found")


def test_openapi_document_names_the_types_of_problems(edge: Any) -> None:
    headers = {"authorization": f"Bearer {ADMIN_KEY}"}
    document = msgspec.json.decode(edge.send("GET", "/api/openapi.json", headers=headers).content)
    response = document["paths"]["/api/v1/integrations"]["get"]["responses"]["401"]

    example = response["content"]["application/problem+json"]["example"]
    assert example["type"] == "/docs/reference/errors#unauthenticated"
