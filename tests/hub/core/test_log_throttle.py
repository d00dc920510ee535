"""Log throttling: an outage of an hour logs sixty lines, not thousands, and its end."""

from structlog.testing import capture_logs

from ultraviolet.hub.core.log_throttle import OutageLog


def test_repeated_failure_is_logged_once_a_minute_and_at_its_end() -> None:
    now = 0.0
    outage = OutageLog("thing.failed", "thing.goes_on", lambda: now)
    with capture_logs() as lines:
        outage.record_success()
        for second in range(90):
            now = float(second)
            outage.record_failure(ValueError("away"), count=second)
        outage.record_success()
        outage.record_success()
        outage.record_failure(ValueError("away again"))

    assert lines == [
        {"event": "thing.failed", "log_level": "warning", "error": "away", "count": 0, "more": 0},
        {"event": "thing.failed", "log_level": "warning", "error": "away", "count": 60, "more": 59},
        {"event": "thing.goes_on", "log_level": "info", "seconds": 89.0},
        {"event": "thing.failed", "log_level": "warning", "error": "away again", "more": 0},
    ]
