"""Source, tests, templates and documentation are in plain English with standard terms."""

import re
import subprocess
from pathlib import Path

import pytest

THIS = Path(__file__)
"""The only file that must quote such phrases."""
ROOT = THIS.parent.parent
PLACES = ("src", "tests", "docs", "README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md")
ENDINGS = (".py", ".md", ".html", ".graphql", ".toml", ".js")
PHRASES = {
    "use a noun instead of a clause": r"\bwhat (?:is|was|are|were|came|comes|has|had|may|must|remains|stands"
    r"|goes|went|they|it)\b",
    "use a noun as the subject": r"(?:^|[\s\"(])(?:[Ww]hoever|[Ww]ho (?:is|are|may|asks|only|meets|comes|waits))\b",
    "start with Return, Check, Create, Load, Raise": r'"""(?:Give|Tell|Let|Say)s?\b',
    "write “again” or name the action": r"\b(?:anew|afresh)\b",
    "name the result": r"\b(?:came|come|became|become|comes) of\b",
    "write “in batches”, “gradually” or “release”": r"\b(?:little by little|by and by|lets? go of?)\b",
    "write “invalid X”, “unknown X” or “no X”": r"(?<![Tt]here )\bis (?:none\b|no\s(?!longer|older))",
    "name the subject": r"\b(?:told|tells?|telling) (?:of|in part|all|nothing|nobody)\b",
    "write “must”, “will” or the plain verb": r"\b(?:is|are|was|were) to be\b",
    "write “corrected”, “is” or “means”": r"\b(?:put right|puts right|stands? (?:in|for|still|against)|by words?)\b",
    "name the party": r"\b(?:nobody's|somebody|whom)\b",
    "name the component": r"\b(?:the door|lookout|the house|the rooms?)\b",
}
CLAUSE = re.compile(
    r"test_(?:what|who|whoever|whose|that|which|where|when|until|nobody|somebody|everybody|everyone|of"
    r"|a|an|the)_"
)
"""The beginning of a test name that does not start with its subject."""
VAGUE = re.compile(
    r"_(?:say|says|said|tell|tells|told|mind|minds|hear|hears|heard|goes|went|lead|leads|stand|stands"
    r"|lies|wants|nobody|somebody|everybody|anew|afresh|is_no|are_no|is_none|not_any_more)(?=_|$)"
    r"(?!_(?:back|backwards|longer|to)(?:_|$))"
)
"""Words in a test name that do not state behaviour."""


def texts() -> list[Path]:
    """Return the files that are checked: written by people, not generated or vendored."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PLACES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    paths = [ROOT / name for name in listed if name.endswith(ENDINGS)]
    skipped = ("/reference/", "/vendor/", "/static/")
    return [
        path
        for path in paths
        if path.exists()
        and path.name != THIS.name
        and not any(part in str(path) for part in skipped)
    ]


def plain(path: Path) -> str:
    """Return the text of a file: without the expressions of a template, test names as words."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        return re.sub(r"{[%{].*?[%}]}", "", text)
    return re.sub(r"(?<=\bdef )test_\w+", lambda name: name[0].replace("_", " "), text)


@pytest.mark.parametrize("reason", PHRASES)
def test_no_unidiomatic_phrase(reason: str) -> None:
    pattern = re.compile(PHRASES[reason], re.MULTILINE)
    found = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0].strip()}"
        for path in texts()
        for text in [plain(path)]
        for match in pattern.finditer(text)
    ]

    assert found == [], reason


def test_pages_use_sync_and_correction() -> None:
    """`fetch` and `drift` are names for programs; docs/concepts.md maps them."""
    templates = sorted((ROOT / "src/ultraviolet/web/templates").glob("*.html"))
    assert len(templates) > 40
    found = [
        f"{path.name}: {match[0]}"
        for path in templates
        for match in re.finditer(
            r"\b(?:fetch(?:es|ed|ing)?|drifts?)\b",
            re.sub(
                r"<[^>]*>", " ", re.sub(r"{[{%#].*?[}%#]}", "", path.read_text(), flags=re.DOTALL)
            ),
            re.IGNORECASE,
        )
    ]
    assert found == []


def test_test_names_state_behaviour() -> None:
    names = [
        name
        for path in texts()
        if path.name.startswith("test_")
        for name in re.findall(r"\bdef (test_\w+)", path.read_text(encoding="utf-8"))
    ]

    assert len(names) > 1000
    assert [name for name in names if CLAUSE.match(name) or VAGUE.search(name)] == []


@pytest.mark.parametrize(
    "name", ["test_what_is_kept", "test_an_order_is_a_draft", "test_page_tells_nobody"]
)
def test_vague_names_are_detected(name: str) -> None:
    assert CLAUSE.match(name) or VAGUE.search(name)


@pytest.mark.parametrize("reason", PHRASES)
def test_each_phrase_pattern_matches_something(reason: str) -> None:
    samples = (
        'This is what came in. Whoever asks. """Give a row.""" It begins anew. What came of it. '
        "It goes little by little. That is none. It is no row. It tells nobody. It is to be read. It was put right. "
        "Somebody's and nobody's key, somebody. Through the door."
    )

    assert re.search(PHRASES[reason], samples, re.MULTILINE), reason
