"""What is on block devices: the signatures of file systems, partition tables, superblocks and
labels.

All devices are asked at once, so that the number of commands does not grow with the number of
disks.
"""

from __future__ import absolute_import

import binascii
import collections
import os
import re
import tempfile

from xsraid.errors import CommandFailed, Timeout
from xsraid.host import sysfs
from xsraid.host.process import folder_in_memory, run
from xsraid.text import lines_of, native, to_bytes

LIMIT_S = 60
# type: libblkid's word; uuid, label: "" if it has none
Signature = collections.namedtuple("Signature", "type offset_bytes uuid label")
PARTITION_TABLES = (
    "dos",
    "gpt",
    "PMBR",
    "mac",
    "sun",
    "sgi",
    "bsd",
    "atari",
    "unixware",
    "minix",
    "solaris",
)

ESCAPED = b"\\\\x([0-9a-f]{2})"
# What the libblkid of CentOS 7 (2.23) does not know: type, offset (negative: from the end), magic
# (libblkid/src/superblocks).
NEWER = (
    ("bcache", 4096 + 24, b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81"),
    ("BitLocker", 3, b"-FVE-FS-"),
    ("apfs", 32, b"NXSB"),
    ("ceph_bluestore", 0, b"bluestore block device"),
    ("drbd", -4096 + 60, b"\x83\x74\x02\x6d"),
    ("stratis", 512 + 4, b"!Stra0tis\x86\xff\x02^\x41rh"),
    ("vdo", 0, b"dmvdo001"),
)
# The head of a LUKS disk. A file with it between the devices shows where the findings of one end
# and those of the next begin: wipefs does not say (before 2.31), and asking it once for each of two
# hundred disks takes many seconds.
MARK_UUID = "7873-7261-6964-6d61-726b"
MARK = b"LUKS\xba\xbe\x00\x01".ljust(168, b"\0") + to_bytes(MARK_UUID).ljust(4096, b"\0")


def signatures(host, names):
    """Return ({kernel name: [Signature]}, {kernel name: why it cannot be read}) of disks,
    partitions or arrays.
    """
    found, unreadable = {}, {}
    try:
        found = _together(host, names) if len(names) > 1 else {}
    except (CommandFailed, Timeout, ValueError):
        pass  # one that cannot be read spoils it for all, and each is asked by itself
    for name in names:
        try:
            if name not in found:
                found[name] = [_signature(line) for line in _wipefs(host, [sysfs.node(name)])]
            known = [signature.type for signature in found[name]]
            found[name] += [
                signature for signature in _newer(host, name) if signature.type not in known
            ]
        except (CommandFailed, Timeout) as error:
            unreadable[name] = error.sentence
        except EnvironmentError as error:
            unreadable[name] = os.strerror(error.errno)
        except ValueError as error:
            unreadable[name] = "the output of wipefs cannot be parsed: %s" % error
    return found, unreadable


def wipe_commands(device, stale, is_partition=False):
    """Return the argument lists that clear what was found on a device, and nothing else on it.
    stale: [(type, offset_bytes)].
    """
    by_hand = {kind: len(magic) for kind, _, magic in NEWER}
    if is_partition:
        by_hand["dos"] = 2  # the table of an extended partition, which wipefs leaves
    return [["wipefs", "-a", device]] + [
        [
            "dd",
            "if=/dev/zero",
            "of=" + device,
            "bs=%d" % by_hand[kind],
            "count=1",
            "oflag=seek_bytes",
            "seek=%d" % offset_bytes,
            "conv=notrunc,fsync",
        ]
        for kind, offset_bytes in stale
        if kind in by_hand
    ]


def _together(host, names):
    with tempfile.NamedTemporaryFile(suffix=".mark", dir=folder_in_memory()) as mark:
        mark.write(MARK)
        mark.flush()
        words = [mark.name]
        for name in names:
            words += [sysfs.node(name), mark.name]
        lines = _wipefs(host, words)
    parts = [[]]
    for line in lines:
        signature = _signature(line)
        if signature.uuid == MARK_UUID:
            parts.append([])
        else:
            parts[-1].append(signature)
    if len(parts) != len(names) + 2 or parts[0] or parts[-1]:
        raise ValueError("%d parts for %d devices" % (len(parts), len(names)))
    return dict(zip(names, parts[1:]))


def _wipefs(host, words):
    """Return the lines of `wipefs -n -p`, one for each signature.

    A label with more than 255 characters as it is printed (btrfs) lacks its end before util-linux
    2.31, and has what stands behind in memory instead.
    """
    lines = []
    for line in lines_of(run(host, ["wipefs", "-n", "-p"] + words, LIMIT_S).out):
        if re.match("0x[0-9a-f]+,", line):
            lines.append(line)
        elif lines and not line.startswith("# offset,"):
            lines[-1] += "\n" + line
    return lines


def _signature(line):
    """Return the Signature of a line `offset,uuid,label,type`. Raises ValueError.

    Special characters stand there as \\xNN; which are special differs: from util-linux 2.31 on a
    label's commas stand as they are. There are none in the other three.
    """
    offset, uuid, rest = line.split(",", 2)
    label, kind = rest.rsplit(",", 1)
    return Signature(
        kind,
        int(offset, 16),
        uuid,
        native(re.sub(ESCAPED, lambda match: binascii.unhexlify(match.group(1)), to_bytes(label))),
    )


def _newer(host, name):
    """Return the Signatures of NEWER on a device. Raises EnvironmentError."""
    pieces = host.read_pieces(
        sysfs.node(name), [(offset, len(magic)) for _, offset, magic in NEWER]
    )
    return [
        Signature(kind, at, "", "")
        for (kind, _, magic), (at, piece) in zip(NEWER, pieces)
        if piece == magic
    ]
