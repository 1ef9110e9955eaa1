"""Where passwords come from: a file descriptor, the keyring library, a prompt. Never from the
command line, which others can read.
"""

from __future__ import absolute_import

import getpass
import importlib
import os
import sys

from xsraid.text import native
from xsraid_cli.problems import USAGE, Problem

LINE_MAX = 4096
KEYRING_SERVICE = "xsraid:%s"


def from_descriptor(number):
    """Return the next line of a file descriptor. Byte by byte, so that two passwords may come on
    one. Raises Problem.
    """
    line = b""
    try:
        while len(line) < LINE_MAX:
            byte = os.read(number, 1)
            if byte in (b"", b"\n"):
                return native(line)
            line += byte
    except EnvironmentError as error:
        raise Problem(
            "File descriptor %d gives no password: %s." % (number, error.strerror),
            "Open it for the command: xsraid ... 3<password-file",
            USAGE,
        )
    raise Problem("The line on file descriptor %d is too long for a password." % number, "", USAGE)


def of_pool(address, user, descriptor):
    """Return the password of a user of a pool. descriptor: number or None. Raises Problem where
    nobody can be asked.
    """
    if descriptor is not None:
        return from_descriptor(descriptor)
    kept = _from_keyring(address, user)
    if kept is not None:
        return kept
    return asked("Password of %s at %s: " % (user, address), "--password-fd")


def asked(prompt, option):
    """Return what a person typed unseen. Raises Problem where there is no terminal."""
    if not sys.stdin.isatty():
        raise Problem(
            "There is no terminal to ask for a password on.",
            "Let it come over a file descriptor: %s N." % option,
            USAGE,
        )
    return native(getpass.getpass(native(prompt)))


def _from_keyring(address, user):
    """Return what `keyring set xsraid:ADDRESS USER` has stored, None without the library or where
    it has nothing.
    """
    try:
        keyring = importlib.import_module("keyring")
    except ImportError:
        return None
    try:
        return keyring.get_password(KEYRING_SERVICE % address, user)
    except Exception:  # noqa: BLE001
        # A desktop's locked or broken store must not keep anybody from typing it.
        return None
