"""The same reply again and again: `status --watch`."""

from __future__ import absolute_import

import time

INTERVAL_S = 2


def watch(look, screen):
    """Show what look() returns, lines of `layout`, every two seconds, until the caller is
    interrupted.
    """
    while True:
        screen.redraw(look())
        time.sleep(INTERVAL_S)
