"""TLS certificates: the local ION's own certificate authority, and its server certificate."""

import datetime as dt
import os
from pathlib import Path

import msgspec

CERTIFICATE_LIFETIME = dt.timedelta(days=397)
RENEW_BEFORE_EXPIRY = dt.timedelta(days=30)
CLOCK_TOLERANCE = dt.timedelta(hours=1)
"""How far the clock of a client may be behind."""
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
ALL_ADDRESSES = ("0.0.0.0", "::")  # noqa: S104  compared, not bound


class Certificates(msgspec.Struct, frozen=True):
    """The files that a server and its clients need."""

    authority: Path
    """For clients: REQUESTS_CA_BUNDLE, SSL_CERT_FILE or ULTRAVIOLET_CA_FILE."""
    certificate: Path
    key: Path


def ensure_certificates(folder: Path, host: str) -> Certificates:
    """Return the certificates in a folder; create those that are missing, old or for other names."""
    import trustme

    folder.mkdir(parents=True, exist_ok=True)
    files = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    authority_key = folder / "ca-key.pem"
    if files.authority.exists() and authority_key.exists():
        authority = trustme.CA.from_pem(files.authority.read_bytes(), authority_key.read_bytes())
    else:
        authority = trustme.CA(organization_name="Local ION certificate authority")
        _write_private(authority_key, authority.private_key_pem.bytes())
        authority.cert_pem.write_to_path(files.authority)
        files.certificate.unlink(missing_ok=True)
    names = LOCAL_NAMES
    if host not in (*LOCAL_NAMES, *ALL_ADDRESSES):
        names = (*LOCAL_NAMES, host)
    if not (files.certificate.exists() and files.key.exists() and _is_valid(files, names)):
        now = dt.datetime.now(dt.UTC)
        issued = authority.issue_cert(
            *names,
            common_name="Local ION",
            not_before=now - CLOCK_TOLERANCE,
            not_after=now + CERTIFICATE_LIFETIME,
        )
        _write_private(files.key, issued.private_key_pem.bytes())
        issued.cert_chain_pems[0].write_to_path(files.certificate)
    return files


def _is_valid(files: Certificates, names: tuple[str, ...]) -> bool:
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    covered_names = {str(each.value) for each in covered}
    renewal = certificate.not_valid_after_utc - RENEW_BEFORE_EXPIRY
    return dt.datetime.now(dt.UTC) < renewal and covered_names.issuperset(names)


def _write_private(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
