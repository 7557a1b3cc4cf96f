"""Fetching a document over HTTP from a server that may be broken or hostile.

Requests are bounded: total time, size after decompression, and redirects (each hop's address is checked). They are
conditional: the server's last validators are sent back, and a 304 costs nothing more.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from digestbot import __version__
from digestbot.domain.errors import SourceError
from digestbot.infra.http_client import CONNECT_SECONDS, DeadlineTransport, PrivateAddressError, pool_manager, remaining

MOST_REDIRECTS = 5
IN_MEMORY = 8 << 20  # a larger document goes to a temporary file
_CHUNK = 1 << 18
_INFLATED = 1 << 20


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched document: its whole decompressed body and a hash of it."""

    file: BinaryIO
    size: int
    hash: bytes
    content_type: str | None
    etag: str | None
    last_modified: str | None


class Fetcher:
    """One source's HTTP client. Keeps its connection between polls.

    It can be used from any thread, but fetches one document at a time.
    """

    def __init__(self, *, allow_private: bool, seconds: float, most_bytes: int) -> None:
        self._wire = DeadlineTransport(allow_private=allow_private)
        self._pool = pool_manager(self._wire, num_pools=4, maxsize=1, retries=False)
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._lock = threading.Lock()

    def fetch(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched | None:
        """Return the document; None if it is unchanged (304). Raises SourceError."""
        with self._lock:
            return self._fetch(url, etag, last_modified)

    def _fetch(self, url: str, etag: str | None, last_modified: str | None) -> Fetched | None:
        headers = {
            "User-Agent": f"digestbot/{__version__}",
            "Accept": "application/rss+xml, application/atom+xml, application/xml;q=0.9, */*;q=0.1",
            "Accept-Encoding": "gzip",
        }
        if etag:
            headers["If-None-Match"] = etag
        if last_modified:
            headers["If-Modified-Since"] = last_modified
        deadline = time.monotonic() + self._seconds
        try:
            with self._wire.exchange(self._seconds):
                return self._follow(url, headers, deadline)
        except (HTTPError, OSError, ValueError, zlib.error) as error:
            raise SourceError(self._explain(url, error)) from error

    def _follow(self, url: str, headers: dict[str, str], deadline: float) -> Fetched | None:
        for _ in range(MOST_REDIRECTS + 1):
            seconds = remaining(deadline)
            timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds)
            response = self._pool.request(
                "GET",
                url,
                headers=headers,
                redirect=False,
                preload_content=False,
                decode_content=False,
                timeout=timeout,
            )
            try:
                if response.status == 304:
                    response.drain_conn()
                    return None
                location = response.headers.get("Location")
                if response.status in (301, 302, 303, 307, 308) and location:
                    target = urljoin(url, location)
                    parts = urlsplit(target)
                    if parts.scheme not in ("http", "https") or not parts.hostname:
                        raise SourceError(
                            f"{redact_url(url)}: redirects to {redact_url(target)}, which is not a web address"
                        )
                    if parts.netloc != urlsplit(url).netloc:
                        headers = {k: v for k, v in headers.items() if not k.startswith("If-")}
                    url = target
                    response.close()
                    continue
                if response.status != 200:
                    raise SourceError(
                        f"{redact_url(url)}: the server returned {response.status} {response.reason or ''}".rstrip()
                    )
                body = self._read(url, response, deadline)
                names = ("Content-Type", "ETag", "Last-Modified")
                return Fetched(*body, *(response.headers.get(name) for name in names))
            except BaseException:
                response.close()
                raise
        raise SourceError(f"{redact_url(url)}: more than {MOST_REDIRECTS} redirects")

    def _read(self, url: str, response: urllib3.BaseHTTPResponse, deadline: float) -> tuple[BinaryIO, int, bytes]:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding in ("gzip", "x-gzip"):
            inflate = zlib.decompressobj(wbits=31)
        elif encoding in ("identity", ""):
            inflate = None
        else:
            raise SourceError(f"{redact_url(url)}: sent in an encoding that was not asked for: {encoding}")
        file = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - closed by the caller
        try:
            size, received, hash_ = 0, False, hashlib.blake2b(digest_size=16)
            while chunk := response.read1(_CHUNK):
                received = True
                for piece in _inflated(inflate, chunk) if inflate else (chunk,):
                    size += len(piece)
                    if size > self._most_bytes:
                        most = self._most_bytes // 10**6
                        raise SourceError(
                            f"{redact_url(url)}: is larger than {most} MB; raise max_size if this is expected"
                        )
                    file.write(piece)
                    hash_.update(piece)
                if time.monotonic() > deadline:
                    raise TimeoutError
            if self._wire.expired:
                raise TimeoutError
            length = response.headers.get("Content-Length")
            if inflate is not None and not inflate.eof and received:
                raise SourceError(f"{redact_url(url)}: the answer was cut off")
            if length and length.isdecimal() and inflate is None and size < int(length):
                raise SourceError(f"{redact_url(url)}: the answer was cut off after {size} of {length} bytes")
        except BaseException:
            file.close()
            raise
        response.release_conn()
        return file, size, hash_.digest()

    def _explain(self, url: str, error: Exception) -> str:
        chain: list[BaseException] = [error]
        while (cause := getattr(chain[-1], "reason", None) or chain[-1].__cause__ or chain[-1].__context__) is not None:
            if not isinstance(cause, BaseException) or cause in chain:
                break
            chain.append(cause)
        for link in chain:
            if isinstance(link, PrivateAddressError):
                return f"{redact_url(url)}: {link}"
        if self._wire.expired or any(isinstance(link, TimeoutError) for link in chain):
            return f"{redact_url(url)}: no complete response within {self._seconds:g} seconds"
        innermost = chain[-1]
        reason = innermost.strerror if isinstance(innermost, OSError) and innermost.strerror else str(innermost)
        return f"{redact_url(url)}: cannot be fetched: {reason or type(innermost).__name__}"


def _inflated(inflate: zlib._Decompress, chunk: bytes) -> Iterator[bytes]:
    """Yield decompressed data in pieces, because a few bytes may expand a thousandfold."""
    while chunk:
        yield inflate.decompress(chunk, _INFLATED)
        chunk = inflate.unconsumed_tail


def redact_url(url: str) -> str:
    """Return the URL for messages, without a password and without the query, which may hold a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
