"""`ultraviolet ion fault`: what is to go wrong in a running local ION."""

from typing import Any
from urllib.parse import quote

import typer

from ultraviolet.cli import local_ion, output
from ultraviolet.cli.answers import gives
from ultraviolet.cli.local_ion import URL

JSON = typer.Option(False, "--json", help="Print JSON.")
COLUMNS = {
    "Id": "id",
    "Kind": "fault.kind",
    "Only": "only",
    "Settings": "settings",
    "Seen": "seen",
    "Struck": "struck",
}

app = typer.Typer(no_args_is_help=True, help="Make a running local ION fail on purpose, repeatably.")


@app.command("list")
@gives("[ultraviolet.local_ion.faults.registry:FaultState]")
def list_faults(*, url: str = URL, as_json: bool = JSON) -> None:
    """Show the faults that are set: how often each could have struck, and how often it did.

    Example: `ultraviolet ion fault list`
    """
    _show(local_ion.ask(url, "/_local/faults", method="GET"), as_json=as_json)


@app.command("set")
@gives("[ultraviolet.local_ion.faults.registry:FaultState]")
def set_fault(
    kind: str = typer.Argument(help="Kind of fault; `ultraviolet ion fault kinds` lists them."),
    *,
    only: str | None = typer.Option(None, help="What it strikes, by name or pattern such as `purchase_*`."),
    probability: float | None = typer.Option(None, help="Chance of striking, more than 0 and at most 1."),
    after: int | None = typer.Option(None, help="Let so many pass first."),
    count: int | None = typer.Option(None, help="Strike at most so often."),
    duration: float | None = typer.Option(None, help="End after so many seconds."),
    beyond: float | None = typer.Option(None, help="Strike only what comes beyond so many a second."),
    seed: int | None = typer.Option(None, help="The same seed strikes the same ones."),
    seconds: float | None = typer.Option(None, help="How long, where the kind takes a time."),
    number: int | None = typer.Option(None, help="How many, where the kind takes a number."),
    status: int | None = typer.Option(None, help="HTTP status of an error."),
    message: str | None = typer.Option(None, help="ION's message of a refused token."),
    value: str | None = typer.Option(None, help="Name of what is added to the schema or to a delivery."),
    url: str = URL,
    as_json: bool = JSON,
) -> None:
    """Set one fault beside those that are set.

    Examples: `ultraviolet ion fault set latency --seconds 2 --probability 0.3 --seed 7`,
    `ultraviolet ion fault set dropped --only purchase_order_lines --count 5`,
    `ultraviolet ion fault set rate_limit --beyond 5`.
    """
    given: dict[str, Any] = {
        "kind": kind,
        "only": only,
        "probability": probability,
        "after": after,
        "count": count,
        "duration": duration,
        "beyond": beyond,
        "seed": seed,
        "seconds": seconds,
        "number": number,
        "status": status,
        "message": message,
        "value": value,
    }
    fault = {name: each for name, each in given.items() if each is not None}
    _show(local_ion.ask(url, "/_local/faults", fault), as_json=as_json)


@app.command()
def clear(
    which: str | None = typer.Argument(None, help="Id or kind; all of them where none is given."),
    *,
    url: str = URL,
) -> None:
    """Clear all faults, one of them, or those of a kind.

    Examples: `ultraviolet ion fault clear`, `ultraviolet ion fault clear latency`
    """
    query = "" if which is None else f"?which={quote(which)}"
    cleared = local_ion.ask(url, f"/_local/faults{query}", method="DELETE")["cleared"]
    typer.echo(f"{cleared} cleared")


@app.command()
@gives("[ultraviolet.local_ion.faults.registry:FaultState]")
def scenario(
    name: str | None = typer.Argument(None, help="Which to set; without one they are listed."),
    *,
    seed: int | None = typer.Option(None, help="Makes what strikes repeatable."),
    url: str = URL,
    as_json: bool = JSON,
) -> None:
    """Set a named combination of faults, or list them.

    Examples: `ultraviolet ion fault scenario`, `ultraviolet ion fault scenario bad_day --seed 7`
    """
    if name is not None:
        wanted = {"scenario": name, "seed": seed}
        _show(local_ion.ask(url, "/_local/faults/scenarios", wanted), as_json=as_json)
        return
    found = local_ion.ask(url, "/_local/faults/scenarios", method="GET")
    if as_json:
        output.write_json(found)
    else:
        output.write_pairs({key: each["about"] for key, each in found.items()})


@app.command()
@gives("{ultraviolet.local_ion.faults.registry:KindOfFault}")
def kinds(*, url: str = URL, as_json: bool = JSON) -> None:
    """List the kinds of faults, what `--only` names for each, and the settings each takes.

    Example: `ultraviolet ion fault kinds`
    """
    found = local_ion.ask(url, "/_local/faults/kinds", method="GET")
    if as_json:
        output.write_json(found)
        return
    rows = [{"kind": name, **about} for name, about in found.items()]
    output.write_table(rows, {"Kind": "kind", "What happens": "about", "Only": "names", "Settings": "takes"})


def _show(states: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.write_json(states)
        return
    output.write_table([_row(state) for state in states], COLUMNS)


def _row(state: dict[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in state["fault"].items() if k not in {"kind", "only"}}
    shown = " ".join(f"{name}={value}" for name, value in settings.items()) + (
        " (over)" if state["over"] else ""
    )
    return {**state, "only": state["fault"].get("only", "*"), "settings": shown}
