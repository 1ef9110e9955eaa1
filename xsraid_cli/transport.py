"""How calls travel to xapi: over the unix socket of this host, or over HTTPS. A request is sent once and never again by itself."""

from __future__ import absolute_import

import socket
import ssl

import XenAPI

from xsraid.text import PYTHON_2
from xsraid_cli import certificates
from xsraid_cli.problems import USAGE, Problem

if PYTHON_2:
    import httplib
    import xmlrpclib
else:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib

CONNECT_S = 10  # for the connection and TLS together; a call itself may take as long as it takes
KEEPALIVE_S = 30  # a server that has gone without a word is noticed after a few of these
LOCAL_URL = "http://_var_lib_xcp_xapi/"  # as XenAPI.xapi_local has it
HTTP, HTTPS = "http", "https"


def _once(self, host, handler, request_body, verbose=0):
    """Send a request and return its answer. xmlrpc's own sends it again when the connection breaks, and a plugin might do its work twice.

    So that no connection breaks for having been idle, each request has its own.
    """
    try:
        return self.single_request(host, handler, request_body, verbose)
    finally:
        self.close()


class LocalTransport(XenAPI.UDSTransport):
    """To this host's xapi."""

    request = _once


class NetworkTransport(xmlrpclib.Transport):
    """To a xapi by its address, over connections that connect(host) makes."""

    request = _once

    def __init__(self, connect):
        xmlrpclib.Transport.__init__(self)
        self._connect = connect

    def make_connection(self, host):
        self._extra_headers = []
        self._connection = host, self._connect(host)
        return self._connection[1]


class HttpConnection(httplib.HTTPConnection):
    """One without TLS: for those who said that they trust the network."""

    def connect(self):
        httplib.HTTPConnection.connect(self)
        _be_patient(self.sock)


class HttpsConnection(httplib.HTTPSConnection):
    """One whose certificate is checked as `trust` says. Raises WrongFingerprint, and what ssl raises."""

    def __init__(self, host, trust):
        httplib.HTTPSConnection.__init__(self, host, timeout=CONNECT_S, context=certificates.context(trust))
        self._trust = trust

    def connect(self):
        httplib.HTTPSConnection.connect(self)
        certificates.check(self.sock, self._trust)
        _be_patient(self.sock)


def url(address):
    """Return (scheme, host with port) of an address such as https://master or master. Raises Problem."""
    scheme, separator, host = address.rpartition("://")
    scheme, host = scheme if separator else HTTPS, host.rstrip("/")
    if scheme not in (HTTP, HTTPS) or not host or any(character in host for character in "/@? "):
        raise Problem("%s is no address of a pool." % address, "Give https:// and the name or address of the master or of any member.", USAGE)
    return scheme, host


def to_address(address, trust):
    """Return a XenAPI.Session, not logged in, to an address of `url`."""
    scheme, host = url(address)
    transport = NetworkTransport(lambda name: HttpsConnection(name, trust) if scheme == HTTPS else HttpConnection(name, timeout=CONNECT_S))
    return XenAPI.Session("%s://%s" % (scheme, host), transport=transport)


def to_this_host():
    """Return a XenAPI.Session, not logged in, to the xapi of this host."""
    return XenAPI.Session(LOCAL_URL, transport=LocalTransport())


def fingerprint_at(address):
    """Return the fingerprint of the certificate that a server shows, None where it shows none. Nothing is sent to it."""
    connection = HttpsConnection(url(address)[1], certificates.Trust(None, (), True))
    try:
        connection.connect()
        return certificates.of(connection.sock.getpeercert(True))
    except (EnvironmentError, ssl.SSLError):
        return None
    finally:
        connection.close()


def _be_patient(sock):
    """Let a connection that stands wait for its answer, as long as the other side is there; `Pool.close` waits less."""
    sock.settimeout(socket.getdefaulttimeout())
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        for name, value in (("TCP_KEEPIDLE", KEEPALIVE_S), ("TCP_KEEPINTVL", KEEPALIVE_S), ("TCP_KEEPCNT", 4)):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
