"""The settings, from the list that `ultraviolet config show` shows."""

from docs.generate.markdown import code, table

from ultraviolet.cli.commands.config import SETTINGS

_INTRO = """\
# Settings

Settings are variables of the environment; there is no configuration file. `ultraviolet config show` prints each with its
present value and where that comes from. What is secret can also be put into a file that `NAME_FILE` names, where the
list says so. Integrations, people, keys and schedules are not settings: they are in the database and are changed on the
pages, over the API and by commands.
"""


def page() -> str:
    """Write the page."""
    rows = [
        (code(one.name), one.help + (" (secret)" if one.secret else ""), code(one.default))
        for one in SETTINGS
    ]
    return _INTRO + "\n" + table(("setting", "what it is", "default"), rows) + "\n"
