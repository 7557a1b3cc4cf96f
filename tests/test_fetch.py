"""Fetching from servers that are broken, hostile, or just slow."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from digestbot.domain.errors import SourceError
from digestbot.infra.http_client import DeadlineTransport, is_public
from digestbot.sources.fetch import Fetched, Fetcher, redact_url

LIMIT = 100_000


@contextmanager
def server(*answers: bytes | Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A raw TCP server: each connection gets the next answer, the last one for ever."""
    listener = socket.create_server(("127.0.0.1", 0))
    requests: list[bytes] = []
    stop = threading.Event()

    def serve() -> None:
        number = 0
        while not stop.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                try:
                    connection.settimeout(5)
                    requests.append(connection.recv(65536))
                    answer = answers[min(number, len(answers) - 1)]
                    number += 1
                    if callable(answer):
                        answer(connection)
                    else:
                        connection.sendall(answer)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/rss.xml", requests
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def http(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    head = {"Content-Length": str(len(body)), "Connection": "close"} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items() if value)
    return f"HTTP/1.1 {status}\r\n{lines}\r\n".encode() + body


def fetcher(seconds: float = 5, *, private: bool = True) -> Fetcher:
    return Fetcher(allow_private=private, seconds=seconds, most_bytes=LIMIT)


def contents(fetched: Fetched) -> bytes:
    with fetched.file as file:
        file.seek(0)
        content = file.read()
    assert len(content) == fetched.size
    return content


def test_a_body_and_what_to_ask_with_next_time() -> None:
    with server(http(b"<rss/>", ETag='"1"', Last_Modified="yesterday", Content_Type="text/xml")) as (url, requests):
        fetched = fetcher().fetch(url, '"0"', "before")
    assert fetched is not None
    assert (contents(fetched), fetched.etag, fetched.last_modified, fetched.content_type) == (
        b"<rss/>",
        '"1"',
        "yesterday",
        "text/xml",
    )
    assert b'If-None-Match: "0"' in requests[0]
    assert b"If-Modified-Since: before" in requests[0]
    assert b"User-Agent: digestbot/" in requests[0]


def test_not_modified() -> None:
    with server(http(b"", "304 Not Modified")) as (url, _):
        assert fetcher().fetch(url, '"1"') is None


def test_compressed_bodies() -> None:
    with server(http(gzip.compress(b"hello" * 9), Content_Encoding="gzip")) as (url, _):
        fetched = fetcher().fetch(url)
    assert fetched is not None
    assert contents(fetched) == b"hello" * 9


def trickle(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    stop = threading.Event()
    for _ in range(200):
        connection.sendall(b"x")
        stop.wait(0.02)


def slow_headers(connection: socket.socket) -> None:
    stop = threading.Event()
    for number in range(200):
        connection.sendall(f"X-{number}: y\r\n".encode() if number else b"HTTP/1.1 200 OK\r\n")
        stop.wait(0.02)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (http(b"", "500 Internal Server Error"), "returned 500"),
        (http(b"", "404 Not Found"), "returned 404"),
        (http(b"x" * (LIMIT + 1)), "larger than"),
        (http(gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip"), "larger than"),
        (http(gzip.compress(b"hello" * 999)[:-20], Content_Encoding="gzip"), "cut off"),
        (http(b"not gzip at all", Content_Encoding="gzip"), "cannot be fetched"),
        (http(b"x", Content_Encoding="br"), "not asked for: br"),
        (http(b"half", Content_Length="4000"), "cut off|cannot be fetched"),
        (http(b"", "302 Found", Location="file:///etc/passwd"), "not a web address"),
        (http(b"", "302 Found", Location="/rss.xml"), "more than 5 redirects"),
        (b"", "cannot be fetched"),
        (b"SSH-2.0-OpenSSH\r\n", "cannot be fetched"),
        (lambda connection: connection.shutdown(socket.SHUT_RDWR), "cannot be fetched"),
    ],
    ids=range(13),
)
def test_bad_answers(answer: bytes, words: str) -> None:
    with server(answer) as (url, _), pytest.raises(SourceError, match=words):
        fetcher().fetch(url)


@pytest.mark.parametrize("behaviour", [trickle, slow_headers, lambda connection: connection.recv(1)])
def test_the_time_limit_is_for_the_whole(behaviour: Callable[[socket.socket], None]) -> None:
    with server(behaviour) as (url, _), pytest.raises(SourceError, match=r"no complete response within 0\.3 seconds"):
        fetcher(0.3).fetch(url)


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(SourceError, match="Connection refused"):
        fetcher().fetch(f"http://127.0.0.1:{port}/")
    with pytest.raises(SourceError, match="cannot be fetched"):
        fetcher().fetch("http://does-not-exist.invalid/")


def test_private_addresses_are_refused_before_a_connection_is_made() -> None:
    with server(http(b"secret")) as (url, requests):
        for address in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")):
            with pytest.raises(SourceError, match=r"private address.*allow_private_addresses"):
                fetcher(private=False).fetch(address)
    assert requests == []


def test_a_redirect_to_a_private_address_is_refused_too(monkeypatch: pytest.MonkeyPatch) -> None:
    public = {"feed.example.org"}
    real = DeadlineTransport.addresses

    def resolve(self: DeadlineTransport, host: str, port: int) -> list[str]:
        return ["127.0.0.1"] if host in public else real(self, host, port)

    monkeypatch.setattr(DeadlineTransport, "addresses", resolve)
    with (
        server(http(b"secret")) as (inner, requests),
        server(http(b"", "301 Moved", Location=inner)) as (outer, _),
        pytest.raises(SourceError, match="private address"),
    ):
        fetcher(private=False).fetch(outer.replace("127.0.0.1", "feed.example.org"))
    assert requests == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("100.64.0.1", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::5db8:d822", True),
        ("2002:7f00:1::", False),
    ],
)
def test_which_addresses_are_public(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_redirects_are_followed_and_conditions_stay_with_their_host() -> None:
    with server(http(b"<rss/>")) as (inner, requests), server(http(b"", "302 Found", Location=inner)) as (outer, _):
        fetched = fetcher().fetch(outer, '"1"')
    assert fetched is not None
    fetched.file.close()
    assert b"If-None-Match" not in requests[0]


def test_messages_show_no_password_and_no_query() -> None:
    assert redact_url("https://user:hunter2@example.org/feed?key=abc") == "https://example.org/feed"


def test_a_kept_connection_is_used_again() -> None:
    accepted = []

    def twice(connection: socket.socket) -> None:
        accepted.append(1)
        answer = b"HTTP/1.1 304 Not Modified\r\n\r\n"
        connection.sendall(answer)
        if connection.recv(65536):
            connection.sendall(answer)

    with server(twice) as (url, _):
        client = fetcher()
        assert client.fetch(url, '"1"') is None
        assert client.fetch(url, '"1"') is None
    assert accepted == [1]
