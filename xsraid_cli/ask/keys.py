"""Waiting for a key on the terminal while something goes on: each counts as it is pressed, without
Enter.
"""

from __future__ import absolute_import

import contextlib
import os
import select
import sys
import termios
import tty


@contextlib.contextmanager
def at_once():
    """Have the terminal give each key as it is pressed, until the end of the context."""
    before = termios.tcgetattr(sys.stdin.fileno())
    tty.setcbreak(sys.stdin.fileno())
    try:
        yield
    finally:
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSADRAIN, before)


def pressed(wait_s):
    """Return the key that is pressed within wait_s seconds, "" for none."""
    if not select.select([sys.stdin.fileno()], [], [], wait_s)[0]:
        return ""
    return os.read(sys.stdin.fileno(), 1).decode("ascii", "replace")
