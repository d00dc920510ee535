"""The next step of a finding, with the command of its action."""

from ultraviolet.cli.support.api import Json


def next_step(finding: Json, integration: str) -> str:
    """Return the next step of a finding of an integration."""
    from ultraviolet.hub.core.finding import Action

    step = str(finding["next_step"])
    command = Action(finding["action"]).command(integration) if finding["action"] else ""
    has_command = "ultraviolet " in step
    return step if has_command or not command else f"{step.rstrip('.')}: `{command}`"
