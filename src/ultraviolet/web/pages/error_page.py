"""Title and next step of an error page."""

import msgspec

from ultraviolet.web.http.problem_details import Problem


class Advice(msgspec.Struct, frozen=True):
    """The title of an error page, and what to do next."""

    title: str
    text: str


_BY_STATUS = {
    403: Advice(
        "Access denied", "Ask an administrator of this hub for a role with more permissions."
    ),
    404: Advice("Page not found", "Check the address, or search for the object."),
    405: Advice("Method not allowed", "Use the buttons of the page."),
    409: Advice("Conflict", "Your changes were not saved. Go back, reload the page and try again."),
    413: Advice("Request too large", "Your changes were not saved. Send less data at once."),
    422: Advice(
        "Couldn't save – check the fields",
        "Your changes were not saved. Go back, correct the fields and try again.",
    ),
    429: Advice("Too many requests", "Wait a moment, then try again."),
    503: Advice(
        "Temporarily unavailable",
        "No acknowledged delivery is lost, and ION repeats the others. "
        "Check the disk and the database of the hub. This page reloads automatically.",
    ),
}


def advice(problem: Problem) -> Advice:
    """Return the title and the next step for a problem."""
    known = _BY_STATUS.get(problem.status)
    if known:
        return known
    if problem.status >= 500:  # noqa: PLR2004
        return Advice(
            "Internal error",
            "The hub still receives deliveries, and stored data is safe. "
            "Reload the page. If the error persists, check the hub's log.",
        )
    return Advice(problem.title, "Go back and try again.")
