"""The search index knows whose history goes on beyond it without reading that history."""

import pytest
from sqlalchemy import Engine

from ultraviolet.mirror import dialect, search_index

VERSIONS = """INSERT INTO versions (integration_id, resource, id, version, change, doc, changed, observed_at, origin)
  SELECT 1, 'parts', n::text, 1, 'create', '{}', '[]', '2026-01-01T00:00:00.000000+00:00', '{}' FROM generate_series(1, 20000) n"""
INDEXED = "INSERT INTO search_progress SELECT integration_id, max(seq) FROM versions GROUP BY integration_id"
ROWS_READ = """SELECT sum(coalesce(idx_tup_fetch, 0) + seq_tup_read) FROM pg_stat_xact_user_tables
  WHERE relname LIKE 'versions%%'"""


@pytest.mark.parametrize("store_url", ["postgresql"], indirect=True)
def test_a_history_is_not_read_to_learn_whether_the_index_is_behind_it(two_plants: Engine) -> None:
    with two_plants.begin() as connection:
        connection.exec_driver_sql(VERSIONS)
        connection.exec_driver_sql(INDEXED)
    with two_plants.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM ANALYZE")
    with two_plants.connect() as connection:
        dialect.begin_read(connection)
        before = connection.exec_driver_sql(ROWS_READ).scalar_one()
        assert search_index.behind(connection) == []
        assert connection.exec_driver_sql(ROWS_READ).scalar_one() - before <= 10
