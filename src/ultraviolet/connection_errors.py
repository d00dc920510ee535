"""The reason of a failed connection in plain words, for all HTTP clients and for e-mail."""

import errno
import os
import re
import socket
import ssl
from collections.abc import Iterator

_REASONS = {
    errno.ECONNREFUSED: "the connection was refused",
    errno.ECONNRESET: "the connection was closed",
    errno.ECONNABORTED: "the connection was closed",
    errno.EPIPE: "the connection was closed",
    errno.ETIMEDOUT: "no answer in time",
    errno.EHOSTUNREACH: "the host cannot be reached",
    errno.ENETUNREACH: "the network cannot be reached",
}
_NUMBER = re.compile(r"\[Errno (\d+)\]")
_CODES = re.compile(r"\[(?:Errno -?\d+|SSL: \w+|SSL)\] |\s*\(_ssl\.c:\d+\)")
_MAX_CAUSES = 10


def connection_problem(error: BaseException) -> str:
    """Return why a connection failed, without error numbers and names of libraries."""
    causes = list(_causes(error))
    own = [cause for cause in causes if type(cause).__module__.startswith("ultraviolet.")]
    if own:
        return str(own[-1])
    for cause in causes:
        reason = _known_reason(cause)
        if reason:
            return reason
    system = [cause for cause in causes if isinstance(cause, OSError) and str(cause)]
    text = str(system[-1] if system else error)
    return _CODES.sub("", text) or type(error).__name__


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it wraps; libraries keep them in attributes of their own."""
    found = [error]
    for cause in found:
        yield cause
        inner = [getattr(cause, name, None) for name in ("os_error", "reason")]
        for each in (*inner, cause.__cause__, cause.__context__):
            known = any(each is one for one in found) or len(found) == _MAX_CAUSES
            if isinstance(each, BaseException) and not known:
                found.append(each)


def _known_reason(error: BaseException) -> str:
    """Return the reason of an error of a known kind; "" for others."""
    match error:
        case ssl.SSLCertVerificationError():
            return f"its certificate is not valid ({error.verify_message})"
        case ssl.SSLError() if "WRONG_VERSION_NUMBER" in str(error):
            return "it does not use TLS; check whether the address begins with http or https"
        case socket.gaierror():
            return "the name of the host is not known"
        case TimeoutError():
            return "no answer in time"
        case OSError():
            listed = _NUMBER.search(str(error))  # several addresses failed
            number = error.errno or (int(listed[1]) if listed else 0)
            own = error.strerror if number == errno.EACCES else ""  # of the egress policy
            known = os.strerror(number).lower() if number > 0 else ""
            return _REASONS.get(number) or own or known
        case _:
            return "no answer in time" if type(error).__name__.endswith("Timeout") else ""
