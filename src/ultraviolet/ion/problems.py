"""What ION, or the network on the way to it, can do to a request."""

from ultraviolet.errors import UltravioletError


class IonError(UltravioletError):
    """ION did not do what was asked."""

    kind = "ion"
    status = 502
    exit_code = 7


class IonUnreachableError(IonError):
    """ION does not answer; check its address and the network, and try again."""

    kind = "ion-unreachable"


class IonUnauthorizedError(IonError):
    """ION does not accept the client id and secret; make a new API key in ION and enter it here."""

    kind = "ion-unauthorized"


class IonRefusedError(IonError):
    """ION understood and refused."""

    kind = "ion-refused"


class IonUnreadableError(IonRefusedError):
    """ION's answer, or a part of it, cannot be read; look at the object in ION, then fetch again."""

    kind = "ion-unreadable"


class IonRateLimitedError(IonError):
    """ION asks to slow down; lower the requests per second of this integration."""

    kind = "ion-rate-limited"
