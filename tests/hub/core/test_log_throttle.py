"""Complaints: an outage of an hour is sixty lines of log, not thousands, and one that says it is over."""

from structlog.testing import capture_logs

from ultraviolet.hub.core.log_throttle import OutageLog


def test_what_fails_again_and_again_is_told_once_a_minute_and_when_it_is_over() -> None:
    clock = [0.0]
    complaint = OutageLog("thing.failed", "thing.goes_on", lambda: clock[0])
    with capture_logs() as lines:
        complaint.over()
        for second in range(90):
            clock[0] = float(second)
            complaint.failed(ValueError("away"), count=second)
        complaint.over()
        complaint.over()
        complaint.failed(ValueError("away again"))

    assert lines == [
        {"event": "thing.failed", "log_level": "warning", "error": "away", "count": 0, "more": 0},
        {"event": "thing.failed", "log_level": "warning", "error": "away", "count": 60, "more": 59},
        {"event": "thing.goes_on", "log_level": "info", "seconds": 89.0},
        {"event": "thing.failed", "log_level": "warning", "error": "away again", "more": 0},
    ]
