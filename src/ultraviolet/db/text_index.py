"""The trigram index of search texts on SQLite and PostgreSQL."""

from sqlalchemy import (
    DDL,
    Connection,
    Integer,
    Table,
    event,
    text,
)
from sqlalchemy import Text as AnyText
from sqlalchemy.sql.expression import TextualSelect

from ultraviolet.db.dialect import is_postgresql

GRAM_CHARACTERS = 3
"""Length of the indexed substrings, and minimum length of a search text."""

_TEXT_INDEX_SQLITE = (
    """CREATE VIRTUAL TABLE search_index USING fts5(text,
      content='search_texts', content_rowid='id', detail=none, columnsize=0, tokenize='trigram case_sensitive 1')""",
    """CREATE TRIGGER search_texts_added AFTER INSERT ON search_texts BEGIN
      INSERT INTO search_index(rowid, text) VALUES (new.id, new.text); END""",
    """CREATE TRIGGER search_texts_dropped AFTER DELETE ON search_texts BEGIN
      INSERT INTO search_index(search_index, rowid, text) VALUES ('delete', old.id, old.text); END""",
    """CREATE TRIGGER search_texts_changed AFTER UPDATE OF text ON search_texts BEGIN
      INSERT INTO search_index(search_index, rowid, text) VALUES ('delete', old.id, old.text);
      INSERT INTO search_index(rowid, text) VALUES (new.id, new.text); END""",
)
_TEXT_INDEX_POSTGRESQL = (
    f"""CREATE FUNCTION ultraviolet_grams(said text) RETURNS text[]
      IMMUTABLE STRICT PARALLEL SAFE LANGUAGE sql AS
      $$ SELECT coalesce(array_agg(DISTINCT substr(said, n, {GRAM_CHARACTERS})), '{{}}')
        FROM generate_series(1, length(said) - {GRAM_CHARACTERS - 1}) AS n $$""",
    "CREATE INDEX search_texts_by_gram ON search_texts USING gin (ultraviolet_grams(text))",
)
"""An own function, because not every server has the extension pg_trgm."""
_SEARCH_SQLITE = """SELECT t.integration_id, t.resource, t.object_id FROM search_index
  CROSS JOIN search_texts AS t ON t.id = search_index.rowid
  WHERE search_index MATCH :grams AND instr(t.text, :looked_up) > 0"""
_SEARCH_POSTGRESQL = """SELECT t.integration_id, t.resource, t.object_id FROM search_texts AS t
  WHERE ultraviolet_grams(t.text) @> ultraviolet_grams(:looked_up)
    AND position(:looked_up in t.text) > 0"""


def index_text(table: Table) -> None:
    """Create the index together with the table of texts."""
    for name, statements in (
        ("sqlite", _TEXT_INDEX_SQLITE),
        ("postgresql", _TEXT_INDEX_POSTGRESQL),
    ):
        for statement in statements:
            ddl = DDL(statement.replace("%", "%%")).execute_if(dialect=name)
            event.listen(table, "after_create", ddl)


def texts_containing(connection: Connection, said: str) -> TextualSelect:
    """Select the objects whose text contains a lower-case text of at least `GRAM_CHARACTERS`."""
    if is_postgresql(connection):
        query = text(_SEARCH_POSTGRESQL).bindparams(looked_up=said)
    else:
        grams = {
            said[n : n + GRAM_CHARACTERS].replace('"', '""')
            for n in range(len(said) - GRAM_CHARACTERS + 1)
        }
        given = " AND ".join(f'"{gram}"' for gram in sorted(grams))
        query = text(_SEARCH_SQLITE).bindparams(looked_up=said, grams=given)
    return query.columns(integration_id=Integer, resource=AnyText, object_id=AnyText)
