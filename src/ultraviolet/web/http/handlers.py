"""The route handlers of a module, so that none has to be listed."""

from types import ModuleType

from litestar.handlers import HTTPRouteHandler


def handlers_of(*modules: ModuleType) -> list[HTTPRouteHandler]:
    """Return the route handlers that these modules define, in their order."""
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, HTTPRouteHandler) and value.fn.__module__ == module.__name__
    ]
