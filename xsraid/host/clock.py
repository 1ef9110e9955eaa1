"""The clock for limits and waits within one process. Times that are shown, or kept in a file, are
`time.time()`'s: only those outlive a process.
"""

from __future__ import absolute_import

import os
import time

from xsraid.text import PYTHON_2


def monotonic_s():
    """Return seconds that pass evenly, whoever sets the system's clock meanwhile; only the
    difference of two of them means anything.

    Python 2.7 has no time.monotonic. There it is times(2), one system call that counts the kernel's
    ticks since the boot in hundredths of a second, fine enough for waits that look every tenth;
    ctypes, for clock_gettime(2), would cost each call more than all the rest of its start.
    """
    return os.times()[4] if PYTHON_2 else time.monotonic()  # novermin
