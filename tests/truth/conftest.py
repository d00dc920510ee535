"""An empty mirror, and how many examples the property tests try: few in the ordinary suite, many with HYPOTHESIS_PROFILE=thorough."""

import os

from hypothesis import HealthCheck, settings
from tests.mirror.conftest import catalog, connection, two_plants

__all__ = ["catalog", "connection", "two_plants"]

_CALM = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("modest", max_examples=60, stateful_step_count=40, **_CALM)
settings.register_profile("thorough", max_examples=1000, stateful_step_count=60, **_CALM)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "modest"))
