"""Commands in messages, quoted for a shell."""

import shlex


def command(name: str, *arguments: str, **options: str | bool) -> str:
    """Return a command of this program, such as `ultraviolet fetch run --mode full plant-1`.

    An option that is True is a flag. Options precede arguments; `--` separates them if an argument starts with a dash.
    """
    words = ["ultraviolet", *name.split()]
    for option, value in options.items():
        words.append(f"--{option.replace('_', '-')}")
        if isinstance(value, str):
            words.append(value)
    if any(argument.startswith("-") for argument in arguments):
        words.append("--")
    return shlex.join([*words, *arguments])
