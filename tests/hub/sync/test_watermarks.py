"""Watermarks only move forward and never far into the future; filters find everything after them."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, delete
from tests.hub.table_ion import open_store

from ultraviolet.clock import format_rfc3339, now_rfc3339, utc_now
from ultraviolet.db.database import Database
from ultraviolet.db.tables.sync import watermarks
from ultraviolet.hub.sync.watermarks import (
    Watermark,
    after_filter,
    changed_since_filter,
    raise_watermark,
    record_proof,
    watermark,
)
from ultraviolet.mirror.observation import Observation, Origin

MOMENTS = st.datetimes(
    min_value=utc_now().replace(tzinfo=None) - timedelta(days=1000),
    max_value=utc_now().replace(tzinfo=None) - timedelta(days=1),
).map(lambda moment: format_rfc3339(moment.replace(tzinfo=utc_now().tzinfo)))


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    database = open_store(tmp_path_factory.mktemp("watermarks"))
    yield database
    database.close()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.engine.begin() as connection:
        connection.execute(delete(watermarks))
        yield connection


@given(moments=st.lists(MOMENTS, min_size=1, max_size=5))
def test_watermark_is_the_latest_time_in_any_order(database: Database, moments: list[str]) -> None:
    with database.engine.begin() as connection:
        connection.execute(delete(watermarks))
        for moment in moments:
            raise_watermark(connection, 1, "parts", moment)
        assert watermark(connection, 1, "parts") == Watermark(max(moments), None)


def test_time_far_in_the_future_is_ignored(connection: Connection) -> None:
    raise_watermark(connection, 1, "parts", "2026-01-01T00:00:00.000000+00:00")
    raise_watermark(connection, 1, "parts", format_rfc3339(utc_now() + timedelta(days=400)))
    raise_watermark(connection, 1, "parts", None)
    assert watermark(connection, 1, "parts").updated == "2026-01-01T00:00:00.000000+00:00"
    assert watermark(connection, 1, "suppliers") == Watermark()


def test_proof_survives_a_later_skip_and_another_watermark(connection: Connection) -> None:
    at = now_rfc3339()
    record_proof(connection, 1, "parts", at=at, by="full fetch")
    record_proof(connection, 1, "parts", at=None, by=None, skipped="This ION does not offer it")
    raise_watermark(connection, 1, "parts", "2026-01-01T00:00:00.000000+00:00")
    assert watermark(connection, 1, "parts") == Watermark("2026-01-01T00:00:00.000000+00:00", at)


@given(moment=MOMENTS, seconds=st.integers(0, 3600))
def test_filter_starts_before_the_watermark_by_the_overlap(moment: str, seconds: int) -> None:
    found = changed_since_filter(moment, timedelta(seconds=seconds))
    assert found is not None
    assert found["_updated"]["gte"] <= moment
    assert changed_since_filter(moment, timedelta()) == {"_updated": {"gte": moment}}
    assert changed_since_filter(None, timedelta(seconds=seconds)) is None


def test_filter_after_an_object_includes_later_ids_of_the_same_time() -> None:
    moment = "2026-01-01T00:00:00.000000+00:00"
    last = Observation("parts", "7", "full", {}, moment, Origin("fetch"), source_time=moment)
    later, same = after_filter(last)["or_"]
    assert later == {"_updated": {"gt": moment}}
    assert same == {"_updated": {"eq": moment}, "id": {"gt": "7"}}
