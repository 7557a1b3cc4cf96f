"""HTTP connections with a total time limit and a block on private addresses.

They also record whether the first byte of a request was handed to the system. This bit distinguishes "surely not sent"
from "outcome unknown", on which the delivery protocol depends.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError
from urllib3.poolmanager import PoolManager

CONNECT_SECONDS = 10.0
USER_TIMEOUT_MS = 30_000  # how long written bytes may stay unacknowledged
MOST_ADDRESSES = 4  # of one host name that are tried
# IPv6 ranges that embed an IPv4 address and that no public host has a good reason to use
_EMBEDDING = tuple(ipaddress.ip_network(net) for net in ("::/96", "::ffff:0:0:0/96", "64:ff9b:1::/48", "2001::/32"))
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class PrivateAddressError(OSError):
    """The host's address is private, and private addresses are not allowed."""


class DeadlineError(OSError):
    """The time for the exchange ran out before the first byte was written."""


class DeadlineTransport:
    """The rules that one client's connections share, and the state of the current exchange.

    Not for two threads at once: an exchange that another thread begins meanwhile raises RuntimeError and changes
    nothing.
    """

    def __init__(self, *, allow_private: bool) -> None:
        self.allow_private = allow_private
        self.sent = False
        self.expired = False
        self._may_send: Callable[[], bool] = lambda: True
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()
        self._user: int | None = None  # the thread of the current exchange

    @contextmanager
    def exchange(self, seconds: float, may_send: Callable[[], bool] = lambda: True) -> Iterator[DeadlineTransport]:
        """Limit one request and its answer to ``seconds`` in all, whatever either side is doing.

        ``may_send`` is called just before the first byte is written. Afterwards, `sent` says whether it was written.
        """
        with self._lock:
            before, here = self._user, threading.get_ident()
            if before not in (None, here):
                raise RuntimeError("two threads use one client: their requests could not be distinguished")
            self._user = here
        self.sent = self.expired = False
        self._may_send = may_send
        timer = threading.Timer(seconds, self._cut_off)
        timer.daemon = True
        timer.start()
        try:
            yield self
        finally:
            timer.cancel()
            with self._lock:
                self._socket, self._user = None, before

    def _cut_off(self) -> None:
        with self._lock:
            self.expired = True
            if self._socket is not None:
                # shutdown, unlike close, wakes a thread that is blocked on the socket
                with suppress(OSError):
                    self._socket.shutdown(socket.SHUT_RDWR)

    def use(self, sock: socket.socket) -> None:
        """Remember the socket, so that it can be cut off. Raises TimeoutError if the time is over."""
        with self._lock:
            self._socket = sock
            if self.expired:
                raise TimeoutError("no time left")

    def before_write(self, sock: socket.socket) -> None:
        """Prepare for writing to the socket; called before anything of a request is written.

        Before the first byte, ask ``may_send``. Raises DeadlineError if it returns False.
        """
        self.use(sock)
        if not self.sent:
            if not self._may_send():
                raise DeadlineError("the claim ran out before anything was sent")
            self.sent = True

    def addresses(self, host: str, port: int) -> list[str]:
        """Return the host's addresses.

        Raises PrivateAddressError if one of them is private and private addresses are not allowed.
        """
        results = list(
            dict.fromkeys(str(info[4][0]) for info in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        )
        if not self.allow_private:
            for address in results:
                if not is_public(address):
                    raise PrivateAddressError(
                        f"{host} is at the private address {address}; to allow it, set allow_private_addresses = true"
                    )
        return results


def is_public(address: str) -> bool:
    """Return True if the address is on the public Internet. IPv4 addresses embedded in IPv6 are checked too."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
    embeds = isinstance(ip, ipaddress.IPv6Address) and (ip.is_site_local or any(ip in net for net in _EMBEDDING))
    return ip.is_global and not ip.is_multicast and not embeds


class _Watched:
    """A mixin for urllib3's connections. ``wire`` is set on a subclass made for each client."""

    wire: DeadlineTransport
    _dns_host: str
    port: int
    sock: socket.socket | None

    def _new_conn(self) -> socket.socket:
        host = self._dns_host
        try:
            addresses = self.wire.addresses(host, self.port)
        except socket.gaierror as error:
            raise NameResolutionError(host, self, error) from error  # type: ignore[arg-type]
        failure: Exception | None = None
        for address in addresses[:MOST_ADDRESSES]:
            if self.wire.expired:
                raise TimeoutError("no time left")
            # Connect to the address that was checked: a second DNS lookup might return another.
            self._dns_host = address
            try:
                sock: socket.socket = super()._new_conn()  # type: ignore[misc]
            except (urllib3.exceptions.HTTPError, OSError) as error:
                failure = error
                continue
            finally:
                self._dns_host = host
            if hasattr(socket, "TCP_USER_TIMEOUT"):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
            # Otherwise the kernel would go on sending written data after we gave up or were killed. With this, closing
            # discards it. By then the answer has been read, or nobody is waiting for it.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            try:
                self.wire.use(sock)
            except TimeoutError:
                sock.close()
                raise
            return sock
        assert failure is not None  # noqa: S101 - getaddrinfo returns at least one address or raises
        raise failure

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()  # type: ignore[attr-defined]
        assert self.sock is not None  # noqa: S101 - connect() sets it or raises
        self.wire.before_write(self.sock)
        super().send(data)  # type: ignore[misc]


def pool_manager(wire: DeadlineTransport, **options: Any) -> PoolManager:
    """Return a urllib3 PoolManager whose connections follow the transport's rules."""
    http = type("_Http", (_Watched, HTTPConnection), {"wire": wire})
    https = type("_Https", (_Watched, HTTPSConnection), {"wire": wire})
    manager = PoolManager(**options)
    manager.pool_classes_by_scheme = {
        "http": type("_HttpPool", (HTTPConnectionPool,), {"ConnectionCls": http}),
        "https": type("_HttpsPool", (HTTPSConnectionPool,), {"ConnectionCls": https}),
    }
    return manager


def remaining(deadline: float) -> float:
    """Return the seconds until a time.monotonic() deadline, at least a millisecond (0 would mean no limit)."""
    return max(deadline - time.monotonic(), 0.001)
