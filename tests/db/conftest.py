"""The fixtures of the mirror's tests: an empty database with two integrations."""

from tests.mirror.conftest import catalog, connection, two_plants

__all__ = ["catalog", "connection", "two_plants"]
