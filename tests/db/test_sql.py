"""The settings of connections."""

from psycopg.conninfo import conninfo_to_dict

from ultraviolet.db import engine as db_engine


def test_separate_connections_detect_a_lost_server_like_the_engine() -> None:
    engine = db_engine.make_engine("postgresql://kim:secret@db.example/hub?tcp_user_timeout=9000")
    parameters = conninfo_to_dict(db_engine.libpq_url(engine.url))
    _, engine_parameters = engine.dialect.create_connect_args(engine.url)
    engine.dispose()

    assert ("kim", "secret", "db.example", "hub") == tuple(
        parameters[name] for name in ("user", "password", "host", "dbname")
    )
    assert ("3", "5", "2", "3") == tuple(
        parameters[name]
        for name in (
            "connect_timeout",
            "keepalives_idle",
            "keepalives_interval",
            "keepalives_count",
        )
    )
    assert "9000" == parameters["tcp_user_timeout"] == engine_parameters["tcp_user_timeout"], (
        "as in the URL"
    )
