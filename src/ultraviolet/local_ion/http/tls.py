"""TLS for the local ION: a certificate authority of its own, and a certificate it signs for this machine's names."""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_YEARS = dt.timedelta(days=3650)
_RENEW_BEFORE = dt.timedelta(days=30)
_LIVES = dt.timedelta(days=397)
_SLACK = dt.timedelta(hours=1)
"""How far another clock may be behind and still find a new certificate valid."""


class Certificates(msgspec.Struct, frozen=True):
    """The files a server and its clients need."""

    authority: Path
    """What clients trust: REQUESTS_CA_BUNDLE, SSL_CERT_FILE, ULTRAVIOLET_CA_FILE."""
    certificate: Path
    key: Path


def certificates(folder: Path, host: str) -> Certificates:
    """Give the certificates kept in a folder; made, or made again, where they are missing, old or for other names."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Certificates(folder / "ca.pem", folder / "server.pem", folder / "server-key.pem")
    authority_key = folder / "ca-key.pem"
    if not (found.authority.exists() and authority_key.exists()):
        _make_authority(found.authority, authority_key)
        found.certificate.unlink(missing_ok=True)
    names = _names(host)
    if not (found.certificate.exists() and found.key.exists() and _still_good(found.certificate, names)):
        _make_certificate(found, authority_key, names)
    return found


def _names(host: str) -> list[x509.GeneralName]:
    own = ["localhost", "127.0.0.1", "::1"]
    everywhere = host in {"0.0.0.0", "::"}  # noqa: S104  compared, not bound
    names = own if everywhere or host in own else [*own, host]
    return [_name(each) for each in names]


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _still_good(path: Path, names: Sequence[x509.GeneralName]) -> bool:
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    soon = dt.datetime.now(dt.UTC) + _RENEW_BEFORE
    return certificate.not_valid_after_utc > soon and set(names) <= set(covered)


def _make_authority(path: Path, key_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local ION certificate authority")])
    certificate = (
        _builder(name, name, key.public_key(), key.public_key(), _YEARS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_key(key_path, key)
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _make_certificate(to: Certificates, authority_key: Path, names: Sequence[x509.GeneralName]) -> None:
    authority = x509.load_pem_x509_certificate(to.authority.read_bytes())
    signer = serialization.load_pem_private_key(authority_key.read_bytes(), password=None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Local ION")])
    certificate = (
        _builder(subject, authority.subject, key.public_key(), signer.public_key(), _LIVES)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(signer, hashes.SHA256())
    )
    _write_key(to.key, key)
    to.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    signer: ec.EllipticCurvePublicKey,
    lives: dt.timedelta,
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
        .not_valid_after(now + lives)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer), critical=False)
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
