"""Which certificates are trusted: those of known authorities, of one's own, or one single
certificate by its fingerprint.
"""

from __future__ import absolute_import

import collections
import hashlib
import re
import ssl

from xsraid_cli.problems import USAGE, Problem

HEX_DIGITS = 64  # of SHA-256

# ca_file: path or None; fingerprints: as `normal` returns them; insecure: trust all.
Trust = collections.namedtuple("Trust", "ca_file fingerprints insecure")
AUTHORITIES = Trust(None, (), False)


class WrongFingerprint(Exception):
    """The server's certificate is not the one that was named. seen: its fingerprint."""

    def __init__(self, seen):
        Exception.__init__(self, seen)
        self.seen = seen


def normal(fingerprint):
    """Return a fingerprint as `AA:BB:...`, however it was typed. Raises Problem."""
    digits = re.sub("[^0-9A-F]", "", re.sub("^.*=", "", fingerprint.upper()))
    if len(digits) != HEX_DIGITS:
        raise Problem(
            "%s is no fingerprint by SHA-256, which has %d hexadecimal digits."
            % (fingerprint, HEX_DIGITS),
            "On the pool's master: openssl x509 -noout -fingerprint -sha256 -in "
            "/etc/xensource/xapi-ssl.pem",
            USAGE,
        )
    return ":".join(digits[at : at + 2] for at in range(0, HEX_DIGITS, 2))


def of(der):
    """Return the fingerprint of a certificate, given as DER bytes."""
    return normal(hashlib.sha256(der).hexdigest())


def context(trust):
    """Return the ssl.SSLContext for a Trust; a certificate that is known by its fingerprint needs
    no authority and no name. Raises Problem.
    """
    try:
        made = ssl.create_default_context(cafile=trust.ca_file)
    except EnvironmentError as error:
        raise Problem(
            "%s cannot be read as certificates: %s." % (trust.ca_file, error.strerror or error),
            "Give a file of PEM certificates.",
            USAGE,
        )
    if trust.fingerprints or trust.insecure:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    return made


def check(sock, trust):
    """Raise WrongFingerprint if fingerprints are named and the peer's is none of them. sock:
    connected, with TLS.
    """
    if trust.fingerprints:
        seen = of(sock.getpeercert(True))
        if seen not in trust.fingerprints:
            raise WrongFingerprint(seen)
