"""From what went wrong between here and the plugin to what a person is told: one line of what is
wrong, one of what to do.
"""

from __future__ import absolute_import, unicode_literals

import collections
import socket
import ssl

import XenAPI

from xsraid import __version__
from xsraid.text import PYTHON_2
from xsraid_cli import formats
from xsraid_cli.problems import Problem
from xsraid_cli.remote import transport
from xsraid_cli.remote.certificates import WrongFingerprint
from xsraid_cli.show import versions
from xsraid_cli.table.commands import as_typed

if PYTHON_2:
    import httplib
    import xmlrpclib
else:
    import http.client as httplib
    import xmlrpc.client as xmlrpclib

XSRAID = "XSRAID_"
SIGNED_BY_NOBODY = (
    "is signed by nobody that is known here",
    "Give the authority with --ca-file. Or: ",
)
OTHER_NAME = ("is for another name", "Use a name that is in it, or: ")
# What is wrong with a certificate, by the X509_V_ERR codes of OpenSSL (x509_vfy.h). Python before
# 3.7 tells only that the name is another, or that something else is not right: 0.
CERTIFICATES = {
    0: (
        "is signed by nobody that is known here, or has expired",
        "Give the authority with --ca-file. Or: ",
    ),
    9: ("is not valid yet", "Are the clocks right, here and there? Or: "),
    10: (
        "has expired",
        "Renew it on the host: `xe host-emergency-reset-server-certificate`. Until then: ",
    ),
    62: OTHER_NAME,
    64: OTHER_NAME,
}
SAME_FINGERPRINT = (
    "If `openssl x509 -noout -fingerprint -sha256 -in /etc/xensource/xapi-ssl.pem` on that host "
    "says the same: --fingerprint %s"
)
# What XAPI says, and what to do.
FAILURES = {
    "SESSION_AUTHENTICATION_FAILED": (
        "User or password are wrong: %(user)s at %(address)s.",
        "Type it again, or name another user with --user.",
    ),
    "HOST_IS_SLAVE": (
        "The pool has a new master, which does not answer as one yet.",
        "Try again in a minute, or give the master's own address.",
    ),
    "RBAC_PERMISSION_DENIED": (
        "The role of %(user)s is too low to call plugins of hosts.",
        "It needs pool-admin, which root has.",
    ),
    "XENAPI_MISSING_PLUGIN": (
        "xsraid is not installed on %(host)s.",
        "Install the %(dist)s RPM there: yum install xsraid.",
    ),
    "XENAPI_PLUGIN_FAILURE": (
        "xsraid on %(host)s ended without an answer: %(last_words)s.",
        "`journalctl -t xsraid` there says more.",
    ),
    "CANNOT_CONTACT_HOST": (
        "The pool's master cannot reach %(host)s.",
        "Is it up? `xe host-list params=name-label,enabled,host-metrics-live`.",
    ),
    "HOST_OFFLINE": ("%(host)s is down.", "Start it, or name another with --host."),
    "HOST_STILL_BOOTING": ("xapi is still starting.", "Try again in a minute."),
    "HOST_IN_EMERGENCY_MODE": (
        "This host cannot reach the pool's master.",
        "Start the master, or `xe pool-emergency-transition-to-master`.",
    ),
}

# address: of the pool, None for this host's own xapi; user: who; host: pool.Host or None; typed:
# the command's name.
Where = collections.namedtuple("Where", "address user host typed")


def of_connection(error, where):
    """Return the Problem of a connection that did not come about, or broke. error: of socket, ssl,
    http or xmlrpc.
    """
    address = getattr(error, "address", where.address)
    if isinstance(error, WrongFingerprint):
        return Problem(
            "%s shows another certificate than the one named: %s." % (address, error.seen),
            "If it was renewed, name that one; if not, somebody is in between. Nothing was sent. %s"
            % SAME_FINGERPRINT
            % error.seen,
        )
    if isinstance(error, (ssl.SSLError, ssl.CertificateError)):
        return _of_tls(error, address)
    if isinstance(error, (xmlrpclib.Error, httplib.HTTPException)):
        return Problem(
            "What answers at %s is no xapi, or it stopped in the middle: %s."
            % (address or "this host", _said(error)),
            "Is the address right? On the host, `xe-toolstack-restart` starts xapi again.",
        )
    if address is None:
        return Problem(
            "xapi of this host cannot be reached: %s." % _said(error),
            "Run this as root; `systemctl status xapi` tells whether it runs.",
        )
    if isinstance(error, socket.gaierror):
        return Problem(
            "The name in %s is not known: %s." % (address, _said(error)),
            "Check the address, or give the IP address.",
        )
    return Problem(
        "%s cannot be reached: %s." % (address, _said(error)),
        "Is it up, and is its port open from here?",
    )


def of_failure(failure, where, version_there=None):
    """Return the Problem of a failure that XAPI replied. version_there: of the plugin on the host,
    where it is known.
    """
    details = [formats.plain(detail) for detail in failure.details]
    code, host = details[0], where.host.name if where.host else "the host"
    if _is_of_other_version(details) and version_there not in (None, __version__):
        sentence, advice = versions.compared(version_there, host)
        return Problem(
            "%s It does not know `xsraid %s`, or not with these arguments."
            % (sentence, where.typed),
            advice,
        )
    if code.startswith(XSRAID):
        return Problem(as_typed(details[-1]))
    facts = {
        "host": host,
        "address": where.address or "this host",
        "user": where.user,
        "words": " ".join(details),
        "last_words": " ".join(details[1:3]),
        "dist": versions.dist(where.host.release if where.host else ""),
    }
    what, advice = FAILURES.get(code, ("XAPI says: %(words)s", ""))
    return Problem(what % facts, advice % facts)


def version_there(failure, connected, host):
    """Return the version of the plugin on a pool.Host, where a failure makes it worth asking; None
    where it does not, or nobody knows.
    """
    if host is None or not _is_of_other_version(
        [formats.plain(detail) for detail in failure.details]
    ):
        return None
    try:
        return connected.ask(host, "version", {}).get("version")
    except FAILURE:
        return None


def _is_of_other_version(details):
    """Return whether a failure says that the plugin lacks a function or an argument, all of which
    are known here.
    """
    return (
        details[0] == "UNKNOWN_XENAPI_PLUGIN_FUNCTION"
        or details[0] == "XSRAID_BAD_ARGUMENT"
        and details[2:3] != []
        and (details[2].startswith("is no argument of"))
    )


def _of_tls(error, address):
    """Return the Problem of a certificate that is not trusted, with its fingerprint."""
    seen = transport.fingerprint_at(address)
    if seen is None:
        return Problem(
            "No secure connection to %s: %s." % (address, _said(error)),
            "Is that xapi's port? It speaks TLS on 443.",
        )
    if isinstance(error, ssl.SSLError):
        what, advice = CERTIFICATES.get(getattr(error, "verify_code", 0), SIGNED_BY_NOBODY)
    else:
        what, advice = OTHER_NAME
    return Problem(
        "The certificate of %s %s; its fingerprint is %s." % (address, what, seen),
        advice + SAME_FINGERPRINT % seen,
    )


def _said(error):
    """Return an error's own words on one line, without its number."""
    if isinstance(error, xmlrpclib.Fault):
        return formats.plain(error.faultString)
    if isinstance(error, xmlrpclib.ProtocolError):
        return "%s %s" % (error.errcode, formats.plain(error.errmsg))
    return formats.plain(str(getattr(error, "strerror", None) or error)) or error.__class__.__name__


CONNECTION_ERRORS = (
    WrongFingerprint,
    ssl.CertificateError,
    xmlrpclib.Error,
    httplib.HTTPException,
    EnvironmentError,
    socket.error,
)
FAILURE = XenAPI.Failure
