"""The compatibility report."""

from ultraviolet.ion.catalog import load_catalog
from ultraviolet.local_ion import compatibility


def test_every_root_field_has_a_state_and_is_served() -> None:
    states = compatibility.root_fields(load_catalog())

    assert (156, 356) == tuple(
        sum(s.kind == kind for s in states) for kind in ("query", "mutation")
    )
    assert [] == [s.name for s in states if s.state == "not served"]


def test_assumptions_of_the_code_are_listed() -> None:
    listed = compatibility.assumptions()

    assert "local_ion/faults/http" in {each.where for each in listed}
    assert all("assumed" in each.what for each in listed)
