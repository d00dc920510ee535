"""`ultraviolet ion fault`: inject faults into a running local ION."""

from typing import Any
from urllib.parse import quote

import typer

from ultraviolet.cli.support import local_ion_client, output
from ultraviolet.cli.support.local_ion_client import URL
from ultraviolet.cli.support.output_schema import returns

JSON = typer.Option(False, "--json", help="Print JSON.")
COLUMNS = {
    "Id": "id",
    "Kind": "fault.kind",
    "Only": "only",
    "Settings": "settings",
    "Matched": "matched",
    "Triggered": "triggered",
}

app = typer.Typer(no_args_is_help=True, help="Inject repeatable faults into a running local ION.")


@app.command("list")
@returns("[ultraviolet.local_ion.faults.registry:FaultState]")
def list_faults(*, url: str = URL, as_json: bool = JSON) -> None:
    """List the faults: how often each matched, and how often it triggered.

    Example: `ultraviolet ion fault list`
    """
    _show(local_ion_client.call_control_api(url, "/_local/faults", method="GET"), as_json=as_json)


@app.command("set")
@returns("[ultraviolet.local_ion.faults.registry:FaultState]")
def set_fault(
    kind: str = typer.Argument(help="Kind of fault; `ultraviolet ion fault kinds` lists them."),
    *,
    only: str | None = typer.Option(
        None, help="Name or pattern of its targets, such as `purchase_*`."
    ),
    probability: float | None = typer.Option(
        None, help="Probability to trigger, more than 0 and at most 1."
    ),
    after: int | None = typer.Option(None, help="Number of matches to skip first."),
    count: int | None = typer.Option(None, help="Maximum number of triggers."),
    duration: float | None = typer.Option(None, help="Seconds until the fault ends."),
    above_rate: float | None = typer.Option(
        None, help="Trigger only above this number of matches per second."
    ),
    seed: int | None = typer.Option(
        None, help="Seed; the same seed triggers for the same matches."
    ),
    seconds: float | None = typer.Option(
        None, help="Duration of the effect, for kinds with a time."
    ),
    number: int | None = typer.Option(None, help="Number, for kinds with a number."),
    status: int | None = typer.Option(None, help="HTTP status of an error."),
    message: str | None = typer.Option(None, help="ION's message for a rejected token."),
    value: str | None = typer.Option(
        None, help="Name of the addition to the schema or to a delivery."
    ),
    url: str = URL,
    as_json: bool = JSON,
) -> None:
    """Add one fault.

    Examples: `ultraviolet ion fault set latency --seconds 2 --probability 0.3 --seed 7`,
    `ultraviolet ion fault set dropped --only purchase_order_lines --count 5`,
    `ultraviolet ion fault set rate_limit --above-rate 5`.
    """
    settings: dict[str, Any] = {
        "kind": kind,
        "only": only,
        "probability": probability,
        "after": after,
        "count": count,
        "duration": duration,
        "above_rate": above_rate,
        "seed": seed,
        "seconds": seconds,
        "number": number,
        "status": status,
        "message": message,
        "value": value,
    }
    fault = {name: value for name, value in settings.items() if value is not None}
    _show(local_ion_client.call_control_api(url, "/_local/faults", fault), as_json=as_json)


@app.command()
def clear(
    which: str | None = typer.Argument(None, help="Id or kind; all faults if omitted."),
    *,
    url: str = URL,
) -> None:
    """Clear all faults, one fault, or the faults of a kind.

    Examples: `ultraviolet ion fault clear`, `ultraviolet ion fault clear latency`
    """
    query = "" if which is None else f"?which={quote(which)}"
    result = local_ion_client.call_control_api(url, f"/_local/faults{query}", method="DELETE")
    typer.echo(f"Cleared {result['cleared']} faults.")


@app.command()
@returns("[ultraviolet.local_ion.faults.registry:FaultState]")
def scenario(
    name: str | None = typer.Argument(None, help="Scenario to set; omit it to list the scenarios."),
    *,
    seed: int | None = typer.Option(
        None, help="Seed; the same seed triggers for the same matches."
    ),
    url: str = URL,
    as_json: bool = JSON,
) -> None:
    """Set a named combination of faults, or list them.

    Examples: `ultraviolet ion fault scenario`, `ultraviolet ion fault scenario bad_day --seed 7`
    """
    if name is not None:
        body = {"scenario": name, "seed": seed}
        _show(
            local_ion_client.call_control_api(url, "/_local/faults/scenarios", body),
            as_json=as_json,
        )
        return
    found = local_ion_client.call_control_api(url, "/_local/faults/scenarios", method="GET")
    if as_json:
        output.write_json(found)
    else:
        output.write_pairs({key: each["description"] for key, each in found.items()})


@app.command()
@returns("{ultraviolet.local_ion.faults.kinds:FaultKind}")
def kinds(*, url: str = URL, as_json: bool = JSON) -> None:
    """List the kinds of faults with the targets of `--only` and their settings.

    Example: `ultraviolet ion fault kinds`
    """
    found = local_ion_client.call_control_api(url, "/_local/faults/kinds", method="GET")
    if as_json:
        output.write_json(found)
        return
    rows = [{"kind": name, **about} for name, about in found.items()]
    output.write_table(
        rows, {"Kind": "kind", "Effect": "description", "Only": "target", "Settings": "settings"}
    )


def _show(states: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        output.write_json(states)
        return
    if not states:
        typer.echo("No faults. Kinds to set: ultraviolet ion fault kinds", err=True)
        return
    rows: list[dict[str, Any]] = []
    for state in states:
        settings = {k: v for k, v in state["fault"].items() if k not in {"kind", "only"}}
        shown = [f"{name}={value}" for name, value in settings.items()]
        shown += ["(finished)"] if state["finished"] else []
        only = state["fault"].get("only", "*")
        rows.append({**state, "only": only, "settings": " ".join(shown)})
    output.write_table(rows, COLUMNS)
