"""Create, detect and verify signatures of deliveries in the usual formats.

ION documents "HMAC" and a shared secret. Algorithm and encoding are assumed
(docs/ion-compatibility.md), so the format is detected from the first valid signature.
"""

import base64
import hmac
from collections.abc import Iterable
from typing import Literal, get_args

SIGNATURE_HEADER = "x-ion-signature"
SignatureFormat = Literal["hex", "base64", "sha256=hex", "sha256=base64", "t=,v1="]
FORMATS: tuple[SignatureFormat, ...] = get_args(SignatureFormat)


def sign(secret: str, body: bytes) -> str:
    """Sign a body as the local ION does: lower-case hex of HMAC-SHA256 (assumed)."""
    return hmac.digest(secret.encode(), body, "sha256").hex()


def verify_signature(
    secret: str,
    body: bytes,
    header: str | None,
    likely: SignatureFormat | None = None,
    formats: Iterable[SignatureFormat] = FORMATS,
) -> SignatureFormat | None:
    """Return the format of a valid signature, testing the likely one first; None if invalid."""
    given = (header or "").strip()
    if not given:
        return None
    key, digest = secret.encode(), b""
    for form in (likely, *formats) if likely else formats:
        if form == "t=,v1=":
            parts = [part.strip().partition("=") for part in given.split(",")]
            moment = next((value for name, _, value in parts if name == "t"), "")
            expected = hmac.digest(key, f"{moment}.".encode() + body, "sha256").hex()
            candidates = [value.lower() for name, _, value in parts if name == "v1"]
        else:
            digest = digest or hmac.digest(key, body, "sha256")
            is_hex = form.endswith("hex")
            expected = digest.hex() if is_hex else base64.b64encode(digest).decode()
            expected = f"sha256={expected}" if form.startswith("sha256=") else expected
            candidates = [given.lower() if is_hex else given]
        for candidate in candidates:
            if hmac.compare_digest(candidate.encode(errors="replace"), expected.encode()):
                return form
    return None
