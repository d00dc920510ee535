"""Structs in encrypted cookies, which only this hub can read."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Literal, TypeVar

import msgspec
from litestar.datastructures import Cookie

from ultraviolet.errors import UltravioletError
from ultraviolet.hub.hub import Hub
from ultraviolet.web.middleware.auth import AnyRequest, is_secure

_Content = TypeVar("_Content", bound=msgspec.Struct)


def sealed_cookie(
    request: AnyRequest,
    hub: Hub,
    name: str,
    content: msgspec.Struct,
    *,
    path: str,
    max_age: int,
    samesite: Literal["lax", "strict"],
) -> Cookie:
    """Return a cookie with the encrypted content, which scripts of pages cannot read."""
    sealed = hub.secrets.encrypt(msgspec.json.encode(content).decode())
    return Cookie(
        key=name,
        value=urlsafe_b64encode(sealed).decode(),
        path=path,
        max_age=max_age,
        httponly=True,
        samesite=samesite,
        secure=is_secure(request, hub.public_url),
    )


def open_cookie(request: AnyRequest, hub: Hub, name: str, kind: type[_Content]) -> _Content | None:
    """Return the content of a cookie; None if it is missing, invalid or of another hub."""
    try:
        sealed = urlsafe_b64decode(request.cookies.get(name, ""))
        return msgspec.json.decode(hub.secrets.decrypt(sealed), type=kind)
    except (ValueError, UltravioletError, msgspec.MsgspecError):
        return None
