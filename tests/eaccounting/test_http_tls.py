"""The same over TLS: deadlines, reuse, and certificates that nobody vouches for."""

import ipaddress
import ssl
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests.adapters
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.eaccounting.errors import Unreachable
from integrations.eaccounting.transport import Http
from tests.eaccounting.raw_server import RawServer, answer, drips, says


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for 127.0.0.1, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + built.public_bytes(serialization.Encoding.PEM))
    return path


@pytest.fixture
def tls(certificate: Path) -> Iterator[ssl.SSLContext]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests.adapters, "DEFAULT_CA_BUNDLE_PATH", str(certificate))


def client(server: RawServer) -> Http:
    return Http(base_url=server.url.replace("http:", "https:"), user_agent="t")


@pytest.mark.usefixtures("trusted")
def test_connections_are_kept_and_used_again(tls: ssl.SSLContext) -> None:
    with RawServer(says(answer(b'"ok"')), tls=tls) as server:
        http = client(server)
        for _ in range(3):
            assert http.request("POST", "/", deadline=60, json={"a": "å"}, fresh=True).body == b'"ok"'
        http.close()
    assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.usefixtures("trusted")
def test_the_deadline_holds(tls: ssl.SSLContext) -> None:
    with RawServer(drips(answer(b"x" * 200), pause=0.05), tls=tls) as server, pytest.raises(Unreachable) as caught:
        client(server).request("GET", "/", deadline=0.5)
    assert caught.value.may_have_been_done
    assert caught.value.parameters == {"reason": "timeout"}


def test_a_certificate_that_nobody_vouches_for(tls: ssl.SSLContext) -> None:
    with RawServer(says(answer()), tls=tls) as server:
        with pytest.raises(Unreachable) as caught:
            client(server).request("POST", "/", deadline=60, json={}, authorization="Bearer t")
        time.sleep(0.05)
    assert caught.value.parameters == {"reason": "tls"}
    assert not caught.value.may_have_been_done
    assert server.requests == []
