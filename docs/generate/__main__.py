"""`python -m docs.generate`: write all generated reference pages."""

from docs.generate import HOME, PAGES, text

for name in PAGES:
    (HOME / name).write_text(text(name))
    print(HOME / name)  # noqa: T201  the output of this program
