"""An empty mirror, and Hypothesis profiles: few examples by default, HYPOTHESIS_PROFILE=thorough for many."""

import os

from hypothesis import HealthCheck, settings
from tests.mirror.conftest import catalog, connection, two_plants

__all__ = ["catalog", "connection", "two_plants"]

_NO_DEADLINE = {"deadline": None, "suppress_health_check": list(HealthCheck)}
settings.register_profile("modest", max_examples=60, stateful_step_count=40, **_NO_DEADLINE)
settings.register_profile("thorough", max_examples=1000, stateful_step_count=60, **_NO_DEADLINE)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "modest"))
