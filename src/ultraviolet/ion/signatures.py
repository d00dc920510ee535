"""Create, detect and verify signatures of deliveries in the usual formats.

ION documents "HMAC" and a shared secret. Algorithm and encoding are assumed
(docs/ion-compatibility.md), so the format is detected from the first valid signature.
"""

import base64
import hmac
from typing import Literal, get_args

SIGNATURE_HEADER = "x-ion-signature"
SignatureFormat = Literal["hex", "base64", "sha256=hex", "sha256=base64", "t=,v1="]
FORMATS: tuple[SignatureFormat, ...] = get_args(SignatureFormat)


def sign(secret: str, body: bytes) -> str:
    """Sign a body as the local ION does: lower-case hex of HMAC-SHA256 (assumed)."""
    return _mac(secret, body).hex()


def detect_signature(
    secret: str, body: bytes, header: str | None, likely: SignatureFormat | None = None
) -> SignatureFormat | None:
    """Return the format of a valid signature, testing the likely one first; None if invalid."""
    given = (header or "").strip()
    if not given:
        return None
    if likely and _matches(likely, secret, body, given):
        return likely
    matching: list[SignatureFormat] = [
        each for each in FORMATS if _matches(each, secret, body, given)
    ]
    return matching[0] if matching else None


def signature_matches(
    secret: str, body: bytes, header: str | None, expected: SignatureFormat | None = None
) -> bool:
    """Return whether the signature is valid, in the expected format if given."""
    given = (header or "").strip()
    if expected is None:
        return detect_signature(secret, body, given) is not None
    return bool(given) and _matches(expected, secret, body, given)


def _matches(form: SignatureFormat, secret: str, body: bytes, given: str) -> bool:
    if form == "t=,v1=":
        parts = [part.strip().partition("=") for part in given.split(",")]
        moment = next((value for name, _, value in parts if name == "t"), "")
        wanted = _mac(secret, f"{moment}.".encode() + body).hex()
        return any(_equal(value.lower(), wanted) for name, _, value in parts if name == "v1")
    mac = _mac(secret, body)
    prefix = "sha256=" if form.startswith("sha256=") else ""
    if form.endswith("hex"):
        return _equal(given.lower(), prefix + mac.hex())
    return _equal(given, prefix + base64.b64encode(mac).decode())


def _mac(secret: str, body: bytes) -> bytes:
    return hmac.digest(secret.encode(), body, "sha256")


def _equal(given: str, wanted: str) -> bool:
    return hmac.compare_digest(given.encode(errors="replace"), wanted.encode())
