#!/usr/bin/python3.11
"""Writes numbered blocks round and round a device, and finds out after whatever accident whether
what was synced is still there.

checked_blocks.py write DEVICE LOG [COUNT]: writes COUNT more blocks (without end unless given),
each synced before its number is noted in LOG.
checked_blocks.py verify DEVICE LOG COUNT: prints the noted blocks that are not what was written
(the one that may have been under way does not count); if all are, writes COUNT more.
LOG belongs on /share, in a file of the host: the guest's power cut does not reach it.
"""

import itertools
import os
import random
import sys

BLOCK_BYTES, SLOT_COUNT = 64 << 10, 64


def block(number):
    """Return the content of block NUMBER, which goes to the slot number % SLOT_COUNT."""
    return random.Random(number).randbytes(BLOCK_BYTES)


def last_noted(log_fd):
    return int(os.pread(log_fd, 20, 0) or b"-1")


def write(device_fd, log_fd, count):
    first = last_noted(log_fd) + 1
    for number in itertools.count(first) if count is None else range(first, first + count):
        os.pwrite(device_fd, block(number), number % SLOT_COUNT * BLOCK_BYTES)
        os.fsync(device_fd)
        os.pwrite(log_fd, b"%020d" % number, 0)
        os.fsync(log_fd)


def verify(device_fd, log_fd):
    """Return the numbers of the blocks that are wrong."""
    last = last_noted(log_fd)
    # Not the one that the next write replaces, or was replacing.
    numbers = range(max(0, last - SLOT_COUNT + 2), last + 1)
    return [
        number
        for number in numbers
        if os.pread(device_fd, BLOCK_BYTES, number % SLOT_COUNT * BLOCK_BYTES) != block(number)
    ]


def main(what, device, log, count=None):
    device_fd, log_fd = os.open(device, os.O_RDWR), os.open(log, os.O_RDWR | os.O_CREAT)
    wrong = verify(device_fd, log_fd) if what == "verify" else []
    print(*wrong)
    if not wrong:
        write(device_fd, log_fd, None if count is None else int(count))


if __name__ == "__main__":
    main(*sys.argv[1:])
