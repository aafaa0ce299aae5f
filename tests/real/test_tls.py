"""`tls-truncation` between a client and a server that really speak TLS: what the library tells of it, and what not.

RFC 8446 §6.1: an end without close_notify is to be told from a whole message. Python's ssl does not, unless asked.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from tests.real.servers import HANG, HOST
from tests.real.wall import wall

pytestmark = pytest.mark.real("openssl, for a certificate")

BODY = bytes(range(256)) * 1000
"""Without a length: it ends when the connection does."""

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a key and a certificate of its own, in one file."""
    folder = tmp_path_factory.mktemp("tls")
    asked = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout key.pem -out cert.pem"
    subprocess.run(asked.split(), check=True, capture_output=True, cwd=folder)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@contextmanager
def serving(certificate: Path) -> Iterator[int]:
    """Answer one client with BODY, and end as RFC 8446 says; return the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with socket.create_server((HOST, 0)) as listener:
        listener.settimeout(HANG)

        def serve() -> None:
            sock, _ = listener.accept()
            sock.settimeout(HANG)
            with suppress(OSError), context.wrap_socket(sock, server_side=True) as secure:
                secure.recv(100)
                secure.sendall(BODY)
                secure.unwrap()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(HANG)


def read(port: int, version: ssl.TLSVersion, *, ragged: bool) -> tuple[bytes, str]:
    """Ask, and read to the end; return what came, and how it ended."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    got = b""
    with (
        socket.create_connection((HOST, port), HANG) as sock,
        context.wrap_socket(sock, suppress_ragged_eofs=ragged) as secure,
    ):
        secure.sendall(b"ask")
        try:
            while data := secure.recv(1 << 16):
                got += data
        except OSError as error:
            return got, type(error).__name__
    return got, "EOF"


@pytest.mark.parametrize(("record", "part"), [(7, "64KiB"), (8, "100B"), (8, "0B")])
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("ragged", "ending"), [(True, "EOF"), (False, "SSLEOFError")])
def test_a_body_without_a_length_is_cut_and_python_says_nothing_unless_asked(
    tmp_path: Path, certificate: Path, version: ssl.TLSVersion, ending: str, record: int, part: str, *, ragged: bool
) -> None:
    """Of a record that is not whole nothing is delivered; 16 KiB of the body are in each."""
    handshake = {ssl.TLSVersion.TLSv1_3: 6, ssl.TLSVersion.TLSv1_2: 0}[version]
    whole = record - handshake - (part != "64KiB")
    use = f"tls-truncation:record={record},part={part}"
    with serving(certificate) as upstream, wall(tmp_path, upstream, use) as proxy:
        got, ended = read(proxy.port, version, ragged=ragged)
    assert ended == ending
    assert got == BODY[: whole << 14][: len(BODY)]
    assert len(got) < len(BODY)


@pytest.mark.parametrize("version", VERSIONS)
def test_without_the_policy_all_arrives_and_the_end_is_one(
    tmp_path: Path, certificate: Path, version: ssl.TLSVersion
) -> None:
    with serving(certificate) as upstream, wall(tmp_path, upstream, None) as proxy:
        assert read(proxy.port, version, ragged=False) == (BODY, "EOF")
