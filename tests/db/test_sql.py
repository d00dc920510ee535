"""The settings of connections."""

from psycopg.conninfo import conninfo_to_dict

from ultraviolet.db import engine as db_engine


def test_connections_of_their_own_notice_a_server_that_is_gone_like_those_of_the_engine() -> None:
    engine = db_engine.make_engine("postgresql://kim:secret@db.example/hub?tcp_user_timeout=9000")
    told = conninfo_to_dict(db_engine.libpq_url(engine.url))
    _, of_the_engine = engine.dialect.create_connect_args(engine.url)
    engine.dispose()

    assert ("kim", "secret", "db.example", "hub") == tuple(
        told[name] for name in ("user", "password", "host", "dbname")
    )
    assert ("3", "5", "2", "3") == tuple(
        told[name]
        for name in (
            "connect_timeout",
            "keepalives_idle",
            "keepalives_interval",
            "keepalives_count",
        )
    )
    assert "9000" == told["tcp_user_timeout"] == of_the_engine["tcp_user_timeout"], (
        "as the address says"
    )
