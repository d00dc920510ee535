"""What the doctor looks for, from its own list."""

from docs.generate.markdown import code, table

from ultraviolet.cli.doctor.problems import PROBLEMS

_INTRO = """\
# What the doctor looks for

`ultraviolet doctor` looks for these; [Find what is wrong](../how-to/find-what-is-wrong.md) says how to use it. `name` is what
its JSON calls the problem. What it finds beside is told as `freshness`.
"""


def page() -> str:
    """Write the page."""
    rows = [(code(one.name), one.title, one.cause, one.remedy) for one in PROBLEMS]
    return (
        _INTRO + "\n" + table(("name", "what is wrong", "why, usually", "what to do"), rows) + "\n"
    )
