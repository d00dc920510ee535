"""What webhooks alone would have left wrong, and why: told from how a change was found."""

import msgspec

from ultraviolet.mirror.state import STAMPS, State


class Drift(msgspec.Struct, frozen=True):
    """A difference a read has put right."""

    resource: str
    id: str
    cause: str
    fields: list[str]
    state: State


def drift_of(state: State) -> Drift | None:
    """Judge whether a change was announced whole, in part, or not at all."""
    origin = state.origin
    if origin is None or origin.first or origin.kind in ("event", "replay"):
        return None
    fields = [name for name in state.changed_fields() if name not in STAMPS]
    if not fields:
        return None
    return Drift(state.resource, state.id, _cause(state), fields, state)


def _cause(state: State) -> str:
    """Name the cause; the words are shown and counted."""
    if state.announced is None:
        match state.change:
            case "create" | "restore":
                return "creation not announced"
            case "delete":
                return "deletion not announced"
            case _:
                return "change not announced"
    if state.announced in ("event", "deletion", "replay"):
        return "deletion confirmed" if state.change == "delete" else "event told only a part"
    if state.announced.endswith(" changed"):
        return "computed from other objects"
    return state.announced
