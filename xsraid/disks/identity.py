"""The names that lead to a disk for good, and whether two disks are one to which two paths lead:
dom0 runs no multipathd that would join them.

A disk is its WWN, else its vendor, model, serial number and size together. Disks that share all
this are taken for one unless what is on them proves
that they are two: cheap enclosures and some arrays give one number to many disks.
"""

from __future__ import absolute_import

import collections
import contextlib
import io
import mmap
import os

from xsraid.host import sysfs

BY_ID = "/dev/disk/by-id/"
# Its names from most to least telling: a bus and serial number, then NVMe's and SCSI's world wide
# names.
LINK_ORDER = ("ata-", "nvme-eui", "nvme-", "scsi-S", "scsi-", "usb-", "virtio-", "wwn-")
# Where partition tables, superblocks and labels are.
HEAD_BYTES, TAIL_BYTES, BLOCK_BYTES = 64 << 10, 128 << 10, 4096
LOOKS = 3
WWN_PREFIXES = ("naa.", "eui.", "uuid.", "nguid.", "0x")
# A bus whose disks have one port each: two of them are two disks, whatever their firmware says.
ONE_PORT = ("ata",)


def lasting(host, device, links, shared):
    """Return the most telling by-id link of a disk that leads to it and to no other disk, None
    where there is none.

    links: udev's names of it; shared: of `shared_links`.
    """
    here = host.device_number(device)
    names = [
        link
        for link in links
        if link.startswith(BY_ID)
        and link not in shared
        and host.device_number(link) in (None, here)
    ]
    if not names:
        return None
    return max(names, key=_rank)


def _rank(link):
    return [link[len(BY_ID) :].startswith(prefix) for prefix in LINK_ORDER]


def shared_links(links_of_each):
    """Return the links that udev gives to more than one disk: each leads to the one that came last.
    links_of_each: a list of links for each disk.
    """
    counts = collections.Counter(link for links in links_of_each for link in links)
    return {link for link, count in counts.items() if count > 1}


def fill_in(host, found):
    """Fill in `paths` of disk records: the nodes of all disks that share its identity, serial
    number and size, its own among them.
    """
    groups = {}
    for disk in found:
        groups.setdefault(_identity(host, disk), []).append(disk)
    for identity, disks in groups.items():
        for disk in disks if identity is not None else []:
            disk.paths = [other.device for other in disks if other is disk or _fit(disk, other)]


def _fit(disk, other):
    serials = {disk.serial, other.serial} - {None}
    return len(serials) < 2 and disk.size_bytes == other.size_bytes


def leave_out_others(host, disk):
    """Leave in a disk record's `paths` only those that may be the same disk by what is on them."""
    disk.paths = [
        path
        for path in disk.paths
        if path == disk.device or _may_be_one(host, disk.device, path, disk.size_bytes)
    ]


def _identity(host, disk):
    """Return what two disks share only if they are one or their makers lie, None for a disk of
    which too little is known.
    """
    if disk.transport in ONE_PORT or (disk.vendor or "").strip() == "ATA":
        return None
    name = sysfs.name_of(disk.device)
    wwn = (
        sysfs.attribute(host, name, "wwid")
        or sysfs.attribute(host, name, "device/wwid")
        or disk.wwn
    )
    if wwn:
        return plain_wwn(wwn)
    return (disk.vendor, disk.model, disk.serial, disk.size_bytes) if disk.serial else None


def plain_wwn(wwn):
    """Return a world wide name without the prefix that the kernel (`naa.`, `eui.`) or udev (`0x`)
    puts before it.
    """
    plain = wwn.strip().lower()
    for prefix in WWN_PREFIXES:
        if plain.startswith(prefix):
            plain = plain[len(prefix) :]
    return plain


def _may_be_one(host, device, other, size_bytes):
    """Return whether two disks of one identity may be one: what is on them does not differ.

    The second is read between two looks at the first, so that a write in between proves nothing.
    What cannot be read proves nothing either.
    """
    try:
        for _ in range(LOOKS):
            before, there, after = [
                _ends(host, each, size_bytes) for each in (device, other, device)
            ]
            if before == after:
                return before == there
    except EnvironmentError:
        pass
    return True


def _ends(host, device, size_bytes):
    tail = max(0, size_bytes - TAIL_BYTES) // BLOCK_BYTES * BLOCK_BYTES
    return _read(host, device, 0, HEAD_BYTES), _read(host, device, tail, TAIL_BYTES)


def are_one(host, device, others):
    """Return those of other nodes that lead to the same disk as a node, proved with a mark; all of
    them where there is no place for one.

    The mark is random, stands for a moment in a block that is zero on each of them, and is taken
    away. The caller has claimed all of them.
    Raises EnvironmentError.
    """
    blank = b"\0" * BLOCK_BYTES
    heads = [_read(host, each, 0, HEAD_BYTES) for each in [device] + others]
    places = []
    for at in range(0, HEAD_BYTES, BLOCK_BYTES):
        if all(head[at : at + BLOCK_BYTES] == blank for head in heads):
            places.append(at)
    if not places:
        return list(others)
    mark = os.urandom(BLOCK_BYTES)
    try:
        _write(host, device, places[-1], mark)
        return [other for other in others if _read(host, other, places[-1], BLOCK_BYTES) == mark]
    finally:
        _write(host, device, places[-1], blank)


def _read(host, device, offset, count):
    """Return bytes of a device as they are on it, past the kernel's cache. offset, count: multiples
    of 4096. Raises EnvironmentError.
    """
    with _direct(host, device, os.O_RDONLY, offset, count) as (opened, memory):
        return memory[: opened.readinto(memory)]


def _write(host, device, offset, data):
    """Write bytes on a device past the kernel's cache; they are on it when this returns. offset and
    size: multiples of 4096.
    """
    with _direct(host, device, os.O_RDWR, offset, len(data)) as (opened, memory):
        memory[:] = data
        opened.write(memory)
        os.fsync(opened.fileno())


@contextlib.contextmanager
def _direct(host, device, flags, offset, count):
    """Give (the device, open at an offset past the cache; memory for it: whole pages, as the kernel
    wants them).
    """
    with io.FileIO(
        os.open(host.path(device), flags | os.O_DIRECT), "r+" if flags == os.O_RDWR else "r"
    ) as opened:
        memory = mmap.mmap(-1, count)
        try:
            opened.seek(offset)
            yield opened, memory
        finally:
            memory.close()
