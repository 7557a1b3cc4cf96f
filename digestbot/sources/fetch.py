"""Fetching a document over HTTP from a server that may be broken or hostile.

Requests are bounded: total time, size after decompression, and redirects (each hop's address is checked). They are
conditional: the server's last validators are sent back, and a 304 costs nothing more.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import BinaryIO, cast
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3
from urllib3.exceptions import HTTPError

from digestbot import __version__
from digestbot.domain.errors import SourceError, SourceGone
from digestbot.infra.http_client import CONNECT_SECONDS, DeadlineTransport, PrivateAddressError, pool_manager, remaining

MOST_REDIRECTS = 5
IN_MEMORY = 8 << 20  # a larger document goes to a temporary file
_CHUNK = 1 << 18
_INFLATED = 1 << 20
_ACCEPTED = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.1"
_PERMANENT = (301, 308)
_TOO_MANY = (429, 503)
_GZIP = b"\x1f"  # the first byte of a member


@dataclass(frozen=True, slots=True)
class Fetched:
    """A fetched document: its whole decompressed body and a hash of it. ``url`` is where it was in the end."""

    file: BinaryIO
    size: int
    hash: bytes
    content_type: str | None
    etag: str | None
    last_modified: str | None
    url: str = ""


class Fetcher:
    """One source's HTTP client. Keeps its connection between polls.

    It can be used from any thread, but fetches one document at a time.
    """

    def __init__(
        self, *, allow_private: bool, seconds: float, most_bytes: int, headers: Mapping[str, str] | None = None
    ) -> None:
        """Create a client. ``headers`` go with each request to the URL's own host, and to no other."""
        self._wire = DeadlineTransport(allow_private=allow_private)
        self._pool = pool_manager(self._wire, num_pools=4, maxsize=1, retries=False)
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._headers = dict(headers or {})
        self.moved_to: str | None = None
        """The URL to which the server redirected the last request for good."""
        self._lock = threading.Lock()

    def fetch(self, url: str, etag: str | None = None, last_modified: str | None = None) -> Fetched | None:
        """Return the document; None if it is unchanged (304). Raises SourceError."""
        with self._lock:
            return self._fetch(url, etag, last_modified)

    def _fetch(self, url: str, etag: str | None, last_modified: str | None) -> Fetched | None:
        headers = {
            "User-Agent": f"digestbot/{__version__}",
            "Accept": _ACCEPTED,
            "Accept-Encoding": "gzip, deflate",
        } | self._headers
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
        self.moved_to, permanent = None, True
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
                    headers = self._allowed(headers, urlsplit(url), parts)
                    url = target
                    permanent = permanent and response.status in _PERMANENT
                    self.moved_to = target if permanent else self.moved_to
                    response.close()
                    continue
                if response.status != 200:
                    raise _refusal(url, response)
                body = self._read(url, response, deadline)
                names = ("Content-Type", "ETag", "Last-Modified")
                content_type, etag, last_modified = map(response.headers.get, names)
                return Fetched(*body, content_type, etag, last_modified, url)
            except BaseException:
                response.close()
                raise
        raise SourceError(f"{redact_url(url)}: more than {MOST_REDIRECTS} redirects")

    def _allowed(self, headers: dict[str, str], before: SplitResult, after: SplitResult) -> dict[str, str]:
        """Return the headers that may go along to the target of a redirect: to another server no secrets and no
        validators, and no secrets from https to http."""
        if after.netloc != before.netloc:
            headers = {name: value for name, value in headers.items() if not name.startswith("If-")}
        if after.netloc != before.netloc or (before.scheme == "https" and after.scheme == "http"):
            headers = {k: v for k, v in headers.items() if k == "User-Agent" or k not in self._headers}
        return headers

    def _read(self, url: str, response: urllib3.BaseHTTPResponse, deadline: float) -> tuple[BinaryIO, int, bytes]:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        inflate = None
        if encoding in ("gzip", "x-gzip", "deflate"):
            inflate = _Inflater(gzip=encoding != "deflate")
        elif encoding not in ("identity", ""):
            raise SourceError(f"{redact_url(url)}: sent in an encoding that was not asked for: {encoding}")
        file = cast("BinaryIO", tempfile.SpooledTemporaryFile(IN_MEMORY))  # noqa: SIM115 - closed by the caller
        try:
            size, received, hash_ = 0, False, hashlib.blake2b(digest_size=16)
            while chunk := response.read1(_CHUNK):
                received = True
                for piece in inflate.inflated(chunk) if inflate else (chunk,):
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


class _Inflater:
    """Decompresses a body: gzip of one or several members, or deflate with or without its header (RFC 9110, 8.4.1)."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._stream: zlib._Decompress | None = zlib.decompressobj(wbits=31) if gzip else None

    @property
    def eof(self) -> bool:
        """Return whether the body is complete."""
        return self._stream is not None and self._stream.eof

    def inflated(self, chunk: bytes) -> Iterator[bytes]:
        """Yield decompressed data in pieces, because a few bytes may expand a thousandfold."""
        if self._stream is None:  # a zlib header is a multiple of 31 (RFC 1950); many servers omit it
            header = len(chunk) > 1 and chunk[0] & 15 == 8 and int.from_bytes(chunk[:2], "big") % 31 == 0
            self._stream = zlib.decompressobj(wbits=15 if header else -15)
        piece = b""
        while chunk or len(piece) == _INFLATED:  # more may be pending although all was consumed
            if self._stream.eof:
                if not (self._gzip and chunk.startswith(_GZIP)):
                    return  # padding, or what does not belong to the body
                self._stream = zlib.decompressobj(wbits=31)
            piece = self._stream.decompress(chunk, _INFLATED)
            yield piece
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail


def _refusal(url: str, response: urllib3.BaseHTTPResponse) -> SourceError:
    """Return the error for an answer that is no document."""
    status = f"{response.status} {response.reason or ''}".rstrip()
    if response.status == 410:
        return SourceGone(f"{redact_url(url)}: the server says that it is gone for good (410)")
    error = SourceError(f"{redact_url(url)}: the server returned {status}")
    if response.status in _TOO_MANY:
        error.retry_after = _retry_after(response.headers)
    return error


def _retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long a server asks not to be called (RFC 9110, 10.2.3); None if it does not say."""
    value = headers.get("Retry-After", "").strip()
    try:
        if re.fullmatch(r"\d{1,9}", value):
            wait = timedelta(seconds=int(value))
        else:
            wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return max(wait, timedelta(0))


def redact_url(url: str) -> str:
    """Return the URL for messages, without a password and without the query, which may hold a key."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
