"""Generate the page of problems that `ultraviolet doctor` detects."""

from docs.generate.markdown import code, table

from ultraviolet.cli.doctor.problems import PROBLEMS

_INTRO = """\
# Doctor

`ultraviolet doctor` detects the following problems; see [Diagnose problems](../how-to/find-what-is-wrong.md). `name` is
the name of the problem in its JSON output. It reports all other problems as `freshness`.
"""


def page() -> str:
    """Return the page."""
    rows = [(code(one.name), one.title, one.cause, one.remedy) for one in PROBLEMS]
    return _INTRO + "\n" + table(("name", "problem", "usual cause", "solution"), rows) + "\n"
