"""`python -m docs.generate`: write every page of the reference that follows from the code."""

from docs.generate import HOME, PAGES, text

for name in PAGES:
    (HOME / name).write_text(text(name))
    print(HOME / name)  # noqa: T201  what was written is this program's answer
