"""Commands as they are named in messages: quoted, so that they can be pasted into a shell."""

import shlex


def command(name: str, *arguments: str, **options: str) -> str:
    """Return a command of this program, such as `ultraviolet fetch run --mode full plant-1`.

    Options come first; an argument with a leading dash is kept from being read as one.
    """
    words = ["ultraviolet", *name.split()]
    for option, value in options.items():
        words += [f"--{option.replace('_', '-')}", value]
    if any(argument.startswith("-") for argument in arguments):
        words.append("--")
    return shlex.join([*words, *arguments])
