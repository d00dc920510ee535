"""Generate the page of problems that `ultraviolet doctor` detects."""

from docs.generate.markdown import code, table

from ultraviolet.cli.doctor.problems import PROBLEMS

_INTRO = """\
# Doctor

`ultraviolet doctor` detects the following problems; see [Diagnose problems](../how-to/find-what-is-wrong.md). `kind` is
the kind of finding in its JSON output. Findings of other kinds explain themselves.
"""


def page() -> str:
    """Return the page."""
    rows = [(", ".join(map(code, one.kinds)), one.title, one.cause, one.remedy) for one in PROBLEMS]
    return _INTRO + "\n" + table(("kind", "problem", "usual cause", "solution"), rows) + "\n"
