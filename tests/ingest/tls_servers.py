"""Certificates made for a test, and a FHIR server that speaks TLS with them on loopback."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.ingest.loopback import FhirServer, _http_server
from tests.ingest.smart_servers import pem

NOW = dt.datetime.now(dt.UTC)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """The PEM files of a certificate and its key (mode 0600)."""

    cert: Path
    key: Path


class Authority:
    """A certificate authority whose files live in `folder`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(self._name, self._key, -DAY, DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(is_authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.file = folder / f"{name}.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(
        self, name: str, *, ip: str | None = None, since: dt.timedelta = -DAY, until: dt.timedelta = DAY
    ) -> Issued:
        """A certificate for the IP address `ip` (a server's), or for nothing but its name (a client's)."""
        key = ec.generate_private_key(ec.SECP256R1())
        usage = ExtendedKeyUsageOID.SERVER_AUTH if ip else ExtendedKeyUsageOID.CLIENT_AUTH
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            self._builder(subject, key, since, until)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
        )
        if ip:
            names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ip))])
            builder = builder.add_extension(names, critical=False)
        issued = Issued(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        issued.cert.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM))
        issued.key.write_bytes(pem(key))
        issued.key.chmod(0o600)
        return issued

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, since: dt.timedelta, until: dt.timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + since)
            .not_valid_after(NOW + until)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _hang_up(secured: ssl.SSLSocket) -> None:
    """Close so that the alert arrives: unread bytes would make the kernel reset the connection."""
    with socket.socket(fileno=secured.detach()) as plain, suppress(OSError):
        plain.shutdown(socket.SHUT_WR)
        plain.settimeout(5)
        while plain.recv(4096):
            pass


@dataclass
class Handshakes:
    """What a server saw of its handshakes: names in clients' certificates, failures by reason."""

    clients: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def first_failure(self) -> str:
        """The reason of the first one that failed: the server notes it after the client has heard of it."""
        ends = time.monotonic() + 10
        while not self.failed:
            assert time.monotonic() < ends, "no handshake failed"
            time.sleep(0.01)
        return self.failed[0]


@contextmanager
def serving_tls(
    server: FhirServer,
    certificate: Issued,
    *,
    clients_of: Authority | None = None,
    versions: tuple[ssl.TLSVersion, ssl.TLSVersion] = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
) -> Iterator[Handshakes]:
    """Serve `server` on https://127.0.0.1; `clients_of` is the authority of the clients it wants."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = versions
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # what is refused, the client refuses
    context.load_cert_chain(certificate.cert, certificate.key)
    if clients_of is not None:
        context.load_verify_locations(clients_of.file)
        context.verify_mode = ssl.CERT_REQUIRED
    handshakes = Handshakes()
    http = _http_server(server)
    plain = http.finish_request

    def finish_request(request: socket.socket, address: tuple[str, int]) -> None:
        secured = context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        with secured:
            try:
                secured.do_handshake()
            except (ssl.SSLError, ConnectionError) as error:
                handshakes.failed.append(getattr(error, "reason", None) or type(error).__name__)
                _hang_up(secured)
                return
            subject = dict(pair for part in (secured.getpeercert() or {}).get("subject", ()) for pair in part)
            handshakes.clients.extend([subject["commonName"]] if subject else [])
            plain(secured, address)

    http.finish_request = finish_request  # type: ignore[method-assign, assignment]
    server.base_url = f"https://127.0.0.1:{http.server_address[1]}/fhir"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield handshakes
    finally:
        http.shutdown()
        thread.join()
        http.server_close()
