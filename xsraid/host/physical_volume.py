"""What is written on an LVM physical volume: the group that it belongs to, read from the device
with no command (LVM2's format_text/layout.h).
"""

from __future__ import absolute_import

import collections
import re
import struct

from xsraid.text import native

# Uuid: without hyphens; both are "" for a physical volume that belongs to none.
Group = collections.namedtuple("Group", "name uuid")
# A copy of the metadata: where its area and, in that, its text begins, and the sizes of both.
Copy = collections.namedtuple("Copy", "start area_bytes offset text_bytes")
SECTOR_BYTES, LABEL_SECTORS, HEAD_BYTES, TEXT_BYTES = 512, 4, 4096, 512
METADATA_MAGIC = b"\x20\x4c\x56\x4d\x32\x20\x78\x5b\x35\x41\x25\x72\x30\x4e\x2a\x3e"
IGNORED_COPY = 1  # flag of a copy of the metadata that is out of date


def group_on(host, device):
    """Return the Group that the metadata on a physical volume names, None if there is no label or
    it cannot be understood.

    Read from the device alone, with no command: the label is in one of the first four sectors, the
    header after it lists the metadata areas, and the text of each begins with the group's name and
    id (LVM2's lib/format_text/layout.h). Raises EnvironmentError for a device that cannot be read.
    """
    for copy in _copies(host, device):
        if not copy.offset or not copy.text_bytes:
            return Group("", "")
        found = re.match(
            r'([A-Za-z0-9+_.-]+) \{\s*id = "([A-Za-z0-9-]+)"', _text(host, device, copy, 0)
        )
        if found:
            return Group(found.group(1), found.group(2).replace("-", ""))
    return None


def written_s(host, device):
    """Return when the metadata on a physical volume was written, in seconds since 1970, None if
    that is not known. Raises EnvironmentError for a device that cannot be read.
    """
    for copy in _copies(host, device):
        end = _text(host, device, copy, max(0, copy.text_bytes - TEXT_BYTES))
        found = re.findall(r"^creation_time = ([0-9]{1,12})\b", end, re.MULTILINE)
        if found:
            return int(found[-1])
    return None


def _copies(host, device):
    """Yield the Copies of the metadata on a physical volume that are up to date, none if it is no
    physical volume. An area is read when its copy is asked for.
    """
    ((_, head),) = host.read_pieces(device, [(0, HEAD_BYTES)])
    for at in range(0, LABEL_SECTORS * SECTOR_BYTES, SECTOR_BYTES):
        if head[at : at + 8] == b"LABELONE" and head[at + 24 : at + 32] == b"LVM2 001":
            try:
                (header,) = struct.unpack_from("<I", head, at + 20)
                areas = _metadata_areas(head, at + header)
            except struct.error:
                return
            for area in areas:
                copy = _copy_in(host, device, area)
                if copy is not None:
                    yield copy
            return


def _metadata_areas(head, at):
    """Return the offsets of the metadata areas that a physical volume's header names: two lists of
    (offset, size), each ended by zeros.
    """
    at += 40  # its uuid and its size
    lists = [[], []]
    for areas in lists:
        while struct.unpack_from("<Q", head, at)[0]:
            areas.append(struct.unpack_from("<Q", head, at)[0])
            at += 16
        at += 16
    return lists[1]


def _copy_in(host, device, area):
    """Return the Copy in a metadata area, None if there is none that is up to date."""
    ((_, header),) = host.read_pieces(device, [(area, SECTOR_BYTES)])
    if header[4:20] != METADATA_MAGIC or len(header) < SECTOR_BYTES:
        return None
    start, area_bytes, offset, size, _, flags = struct.unpack_from("<QQQQII", header, 24)
    return None if flags & IGNORED_COPY else Copy(start, area_bytes, offset, size)


def _text(host, device, copy, at):
    """Return up to TEXT_BYTES of a Copy's text, from a byte of it on. The area is a ring, whose
    first sector is the header.
    """
    offset = copy.offset + at
    if offset >= copy.area_bytes:
        offset += SECTOR_BYTES - copy.area_bytes
    until_wrap = max(0, copy.area_bytes - offset)
    pieces = host.read_pieces(
        device,
        [
            (copy.start + offset, min(TEXT_BYTES, until_wrap)),
            (copy.start + SECTOR_BYTES, TEXT_BYTES),
        ],
    )
    return native((pieces[0][1] + pieces[1][1])[: min(copy.text_bytes - at, TEXT_BYTES)])


def volume_of(dm_name):
    """Return (volume group, volume) of a device-mapper name, in which hyphens of both are doubled
    (`VG_XenStorage--0d6e-MGT`).
    """
    parts = [part.replace("\0", "-") for part in dm_name.replace("--", "\0").split("-")]
    return (parts[0], parts[1]) if len(parts) > 1 else (dm_name, None)
