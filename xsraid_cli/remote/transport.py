"""How calls travel to xapi: over the unix socket of this host, or over HTTPS. A request is sent
once and never again by itself.
"""

from __future__ import absolute_import

import socket
import ssl

import XenAPI

from xsraid.text import PYTHON_2
from xsraid_cli.problems import USAGE, Problem
from xsraid_cli.remote import certificates

if PYTHON_2:
    import httplib
    import xmlrpclib
else:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib

CONNECT_S = 10  # for the connection and TLS together; a call itself may take as long as it takes
KEEPALIVE_S = 30  # a server that has gone without a word is noticed after a few of these
SOCKET = "/var/lib/xcp/xapi"
HTTP, HTTPS = "http", "https"


class Transport(xmlrpclib.Transport):
    """To a xapi over connections that connect(host) makes; limit_s: how long an answer may take,
    None for as long as it takes.

    xmlrpc's own sends a request again when the connection breaks, and a plugin might do its work
    twice. Here each request is sent once, on a connection of its own, so that none breaks for
    having been idle.
    """

    limit_s = None

    def __init__(self, connect):
        xmlrpclib.Transport.__init__(self)
        self.connect = connect

    def request(self, host, handler, request_body, verbose=0):
        try:
            return self.single_request(host, handler, request_body, verbose)
        finally:
            self.close()

    def make_connection(self, host):
        self._extra_headers = []
        connection = self.connect(host)
        connection.limit_s = self.limit_s
        self._connection = host, connection
        return connection


class UnixConnection(httplib.HTTPConnection):
    """To the unix socket of this host's xapi."""

    limit_s = None

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.limit_s)
        self.sock.connect(SOCKET)


class HttpConnection(httplib.HTTPConnection):
    """One without TLS: for those who said that they trust the network."""

    limit_s = None

    def connect(self):
        httplib.HTTPConnection.connect(self)
        _be_patient(self.sock, self.limit_s)


class HttpsConnection(httplib.HTTPSConnection):
    """One whose certificate is checked as `trust` says. tls: of certificates.context(trust). Raises
    WrongFingerprint, and what ssl raises.
    """

    limit_s = None

    def __init__(self, host, trust, tls):
        httplib.HTTPSConnection.__init__(self, host, timeout=CONNECT_S, context=tls)
        self._trust = trust

    def connect(self):
        httplib.HTTPSConnection.connect(self)
        certificates.check(self.sock, self._trust)
        _be_patient(self.sock, self.limit_s)


def url(address):
    """Return (scheme, host with port) of an address such as https://master or master. Raises
    Problem.
    """
    scheme, separator, host = address.rpartition("://")
    scheme, host = scheme if separator else HTTPS, host.rstrip("/")
    if scheme not in (HTTP, HTTPS) or not host or any(character in host for character in "/@? "):
        raise Problem(
            "%s is no address of a pool." % address,
            "Give https:// and the name or address of the master or of any member.",
            USAGE,
        )
    return scheme, host


def to_address(address, trust):
    """Return a XenAPI.Session, not logged in, to an address of `url`. The authorities are read
    once: reading them costs more than a connection.
    """
    scheme, host = url(address)
    tls = certificates.context(trust) if scheme == HTTPS else None

    def connect(name):
        return (
            HttpsConnection(name, trust, tls)
            if scheme == HTTPS
            else HttpConnection(name, timeout=CONNECT_S)
        )

    return _session("%s://%s" % (scheme, host), connect)


def to_this_host():
    """Return a XenAPI.Session, not logged in, to the xapi of this host."""
    return _session("http://localhost", UnixConnection)


def twin(session):
    """Return another XenAPI.Session of the same login, with a Transport of its own: no thread
    shares one with another.
    """
    other = _session(session.address, session.transport.connect)
    other._session = session.handle
    return other


def _session(address, connect):
    """Return a XenAPI.Session; its `transport` is a Transport in each release of XenAPI."""
    transport = Transport(connect)
    session = XenAPI.Session(address, transport=transport)
    session.transport, session.address = transport, address
    return session


def fingerprint_at(address):
    """Return the fingerprint of the certificate that a server shows, None if it shows none.
    Nothing is sent to it.
    """
    trust = certificates.Trust(None, (), True)
    connection = HttpsConnection(url(address)[1], trust, certificates.context(trust))
    try:
        connection.connect()
        return certificates.of(connection.sock.getpeercert(True))
    except (EnvironmentError, ssl.SSLError):
        return None
    finally:
        connection.close()


def _be_patient(sock, limit_s):
    """Let a connection that stands wait for its answer, as long as the other side is there."""
    sock.settimeout(limit_s)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        for name, value in (
            ("TCP_KEEPIDLE", KEEPALIVE_S),
            ("TCP_KEEPINTVL", KEEPALIVE_S),
            ("TCP_KEEPCNT", 4),
        ):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
