"""Generate the page of settings from the list of `ultraviolet config show`."""

from docs.generate.markdown import code, table

from ultraviolet.cli.commands.config import SETTINGS

_INTRO = """\
# Settings

Settings are environment variables; configuration files are not used. `ultraviolet config show` prints each setting with
its value and source. A secret can also be in a file whose path is in `NAME_FILE`. Integrations, users, keys and schedules
are not settings. The database contains them; change them on the pages, by the API or by commands.
"""


def page() -> str:
    """Return the page."""
    rows = [
        (code(one.name), one.help + (" (secret)" if one.secret else ""), code(one.default))
        for one in SETTINGS
    ]
    return _INTRO + "\n" + table(("setting", "meaning", "default"), rows) + "\n"
