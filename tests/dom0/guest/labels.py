#!/usr/bin/python3.11
"""Writes on a disk what a system that is not here would have left: labels.py KIND DEVICE, with KIND
one of LABELS.

Each is as small as the kernel or libblkid (libblkid/src/superblocks/*.c of util-linux, which wipefs
asks) takes it for real; nothing could be read back from it.
"""

import os
import struct
import sys
import uuid

KIB, MIB = 1 << 10, 1 << 20
UUID = uuid.UUID("11111111-2222-3333-4444-555555555555").bytes
BCACHE_MAGIC = uuid.UUID("c68573f6-4e1a-45ca-8265-f57f48ba6d81").bytes
CRC64_POLYNOMIAL = 0x42F0E1EBA9EA3693  # ECMA-182, lib/crc64.c


def luks(_size):
    """LUKS2 (cryptsetup's on-disk format document): a binary header, and a second one for when the
    first is lost.
    """

    def header(magic, offset):
        return struct.pack(
            ">6sHQQ48s32s64s40s48sQ",
            magic,
            2,
            16 * KIB,
            1,
            b"",
            b"sha256",
            b"",
            str(uuid.UUID(bytes=UUID)).encode(),
            b"",
            offset,
        )

    return {0: header(b"LUKS\xba\xbe", 0), 16 * KIB: header(b"SKUL\xba\xbe", 16 * KIB)}


def _uberblocks(label_offsets):
    """ZFS keeps 32 uberblocks of 4 KiB in the second half of each label of 256 KiB, and four
    labels, two at either end (vdev_impl.h).
    """
    block = struct.pack("<5Q", 0x00BAB10C, 5000, 1, 2, 3)
    return {
        label + 128 * KIB + number * 4 * KIB: block
        for label in label_offsets
        for number in range(4)
    }


def zfs_head(_size):
    return _uberblocks([0, 256 * KIB])


def zfs_end(size):
    return _uberblocks([size - 512 * KIB, size - 256 * KIB])


def drbd(size):
    """DRBD's internal metadata: its last 4 KiB (struct meta_data_on_disk, drbd_actlog.c)."""
    return {size - 4 * KIB: struct.pack(">Q52xI", size // 512, 0x8374026B)}


def _crc64(data):
    crc = (1 << 64) - 1
    for byte in data:
        crc ^= byte << 56
        for _ in range(8):
            crc = (crc << 1 ^ CRC64_POLYNOMIAL if crc >> 63 else crc << 1) & (1 << 64) - 1
    return crc ^ (1 << 64) - 1


def bcache(_size):
    """A bcache backing device (struct cache_sb, bcache_ondisk.h), good enough for the kernel to
    take it: `echo DEVICE >/sys/fs/bcache/register`.
    """
    body = struct.pack("<QQ16s16s16s120xH14x", 8, 1, BCACHE_MAGIC, UUID, UUID, 1)
    return {4 * KIB: struct.pack("<Q", _crc64(body)) + body}


def xfs(size):
    """The first sector of XFS, version 4 (xfs_format.h)."""
    blocks = size // 4096
    head = struct.pack(
        ">4sI3Q16s4Q4I", b"XFSB", 4096, blocks, 0, 0, UUID, 4, 32, 33, 34, 1, blocks // 4, 4, 0
    )
    return {
        0: head
        + struct.pack(
            ">I4H12s8B",
            1000,
            0x3084,
            512,
            256,
            16,
            b"data",
            12,
            9,
            8,
            4,
            (blocks // 4 - 1).bit_length(),
            0,
            0,
            25,
        )
    }


def btrfs(_size):
    """The first superblock of btrfs (btrfs_tree.h)."""
    return {64 * KIB: struct.pack("<32x16sQQ8s", UUID, 64 * KIB, 1, b"_BHRfS_M")}


def iso9660(_size):
    """The volume descriptors of an installation image that was written onto a disk (ECMA-119)."""
    return {
        32 * KIB: b"\1CD001\1\0" + b"LINUX".ljust(32) + b"XCP-NG".ljust(32),
        34 * KIB: b"\xffCD001\1",
    }


def vmfs_member(_size):
    """What ESXi writes 1 MiB into a partition of a datastore."""
    return {MIB: struct.pack("<II", 0xC001D00D, 5)}


def lsi_raid(size):
    """What a MegaRAID leaves in the last sector."""
    return {size - 512: b"$XIDE$"}


LABELS = {
    function.__name__: function
    for function in (
        luks,
        zfs_head,
        zfs_end,
        drbd,
        bcache,
        xfs,
        btrfs,
        iso9660,
        vmfs_member,
        lsi_raid,
    )
}


def main(kind, device):
    with open(device, "r+b", buffering=0) as disk:
        for offset, data in LABELS[kind](disk.seek(0, os.SEEK_END)).items():
            disk.seek(offset)
            disk.write(data)
        os.fsync(disk.fileno())


if __name__ == "__main__":
    main(*sys.argv[1:])
