"""The page of the rules of truth names existing tests for each rule."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "rules-of-truth.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| \d\. ", line)]
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_every_rule_has_a_test() -> None:
    assert [str(number) for number in range(1, 10)] == [row[2] for row in ROWS]
    assert all(NAMED.search(row) for row in ROWS)


def test_every_named_test_exists() -> None:
    missing = [
        f"{path}::{name}"
        for path, name in NAMED.findall(PAGE)
        if f"def {name}(" not in ((ROOT / path).read_text() if (ROOT / path).exists() else "")
    ]
    assert [] == missing
