"""Load the OpenAPI document from an empty hub."""

import functools
import logging
import tempfile
from pathlib import Path
from typing import Any

import httpx
import msgspec

from ultraviolet import log_config
from ultraviolet.cli.support.transports import AppTransport
from ultraviolet.hub.accounts import api_keys
from ultraviolet.hub.core.settings import Settings
from ultraviolet.hub.hub import Hub
from ultraviolet.web.app import create_app

Json = dict[str, Any]


@functools.cache
def openapi() -> Json:
    """Return the OpenAPI document."""
    log_config.configure(logging.WARNING)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(
            Path(directory), f"sqlite:///{Path(directory) / 'hub.db'}", "http://127.0.0.1:8000"
        )
        hub = Hub.open(settings, one_off=True)
        hub.database.write_now(
            lambda connection: api_keys.set_key(connection, "reference", "viewer", "uvk_reference")
        )
        transport = AppTransport(create_app(hub), hub.close)
        headers = {"authorization": "Bearer uvk_reference"}
        with httpx.Client(transport=transport, headers=headers) as client:
            response = client.get("http://localhost/api/openapi.json")
    return msgspec.json.decode(response.content, type=Json)


def resolved(schema: Json) -> Json:
    """Resolve references and optional types of a schema."""
    while True:
        if "$ref" in schema:
            _, _, kind, name = schema["$ref"].split("/")
            schema = openapi()["components"][kind][name]
        elif either := [one for one in schema.get("oneOf", ()) if one.get("type") != "null"]:
            schema = either[0]
        else:
            return schema
