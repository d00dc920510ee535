"""Observations are values: equal by content, immutable, and identified by resource and id."""

import pytest
from tests.mirror.observations import ORDER, absence, at, event, read

from ultraviolet.mirror.observation import Change, Mark, Origin


def test_observations_and_marks_name_their_object() -> None:
    statements = [event(1, id_="é☃"), read(1, id_="é☃"), absence(1, id_="é☃")]

    assert {each.ref for each in statements} == {(ORDER, "é☃")}
    assert Mark(ORDER, "é☃", "event", at(1)).ref == (ORDER, "é☃")


def test_origins_are_equal_by_content_with_defaults() -> None:
    assert Origin("heal") == Origin("heal", None, first=False, lost=False)
    assert len({Origin("heal"), Origin("heal"), Origin("fetch"), Origin("heal", "1")}) == 3


@pytest.mark.parametrize(
    "value", [event(1), Mark(ORDER, "1", "event", at(1)), Change(ORDER, "1", "create", 1)]
)
def test_observations_are_immutable(value: object) -> None:
    with pytest.raises(AttributeError):
        value.id = "2"  # pyright: ignore[reportAttributeAccessIssue]
