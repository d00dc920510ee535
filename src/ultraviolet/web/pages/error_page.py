"""What an error page adds to the problem: what was not lost, and what to do."""

import msgspec

from ultraviolet.web.http.problem_details import Problem

_DELIVERIES = "What ION delivers is still taken, and what was taken is kept."


class Advice(msgspec.Struct, frozen=True):
    """The two questions someone has who meets an error."""

    kept: str
    next: str


_BY_STATUS = {
    403: Advice(
        "Nothing was changed.", "Ask an administrator of this hub, or sign in as someone who may."
    ),
    404: Advice(
        "Nothing was changed. An object that ION deleted keeps its history here.",
        "Check the address, or search for what you need.",
    ),
    405: Advice(
        "Nothing was changed.", "Use the buttons of the page; this address takes no such request."
    ),
    409: Advice("Nothing was changed.", "Go back, look at what is there now, and choose again."),
    413: Advice("Nothing was changed.", "Send less at once."),
    422: Advice("Nothing was changed.", "Go back, correct what is named above, and send it again."),
    503: Advice(
        "What was acknowledged to ION is on disk; what is not acknowledged, ION sends again.",
        "Check the disk and the database of the hub; this page loads again by itself.",
    ),
}


def advice(problem: Problem) -> Advice:
    """Say what is safe and what comes next."""
    known = _BY_STATUS.get(problem.status)
    if known:
        return known
    if problem.status >= 500:  # noqa: PLR2004
        return Advice(
            _DELIVERIES, "Load the page again. If it stays, look into the hub's log at this time."
        )
    return Advice("Nothing was changed.", "Go back and try again.")
