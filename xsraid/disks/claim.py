"""Taking disks for an array: refusing those that must not be taken, and in the last moment before
mdadm claiming them and clearing what is stale.
"""

from __future__ import absolute_import

import errno
import os
import syslog

from xsraid.disks import identity, lvm, refusals, signatures, snapshot
from xsraid.errors import ArrayInUse, DiskInUse, StaleData, UnknownDisk, WouldLoseData
from xsraid.host import sysfs
from xsraid.host.process import run
from xsraid.md import state as md_state
from xsraid.states import Health
from xsraid.text import command_line
from xsraid.xapi import objects, srs


def refuse_used(chosen, wipe):
    """Raise DiskInUse for a judged disk that may not be used, StaleData for what is left on one
    unless that is given up. wipe: whether it is.
    """
    for disk in chosen:
        if disk.refusals:
            raise DiskInUse(
                disk.device, disk.refusals[0]["reason"], refusals.in_words(disk.refusals)
            )
    stale = [(disk.device, refusals.stale_in_words(disk.stale)) for disk in chosen if disk.stale]
    if stale and not wipe:
        raise StaleData(stale)


def refuse_array_in_use(host, session, record):
    """Raise ArrayInUse for an array whose content is in use or belongs to somebody, WouldLoseData
    where that cannot be found out.

    A file system or an empty partition table that is idle on the array itself is no reason; of an
    array that cannot be read only XAPI knows one.
    """
    found = srs.Finder(host, session).find(record)
    if record.health in Health.NOT_THERE:
        if found is not None:
            raise ArrayInUse(
                record.device,
                "the storage repository %s" % objects.sr_summary(session, found.sr).name_label,
                "If nobody needs it and the disks of VMs on it: `xe sr-forget`, then repeat the "
                "call.",
            )
        return
    judged = snapshot.judge_array(host, session, record)
    refuse_uses(record, judged.uses)
    for item in judged.stale:
        if item["type"] == lvm.LABEL and item["label"]:
            raise ArrayInUse(
                record.device,
                "the volume group %s" % item["label"],
                "If nobody needs it: `vgremove %s`." % item["label"],
            )
        if item["type"] == md_state.MEMBER_TYPE:
            raise ArrayInUse(
                record.device,
                "the superblock of another array, %s, whose member it is"
                % (item["label"] or "which has no name"),
                "If nobody needs that one: `mdadm --zero-superblock %s`." % record.device,
            )


def refuse_uses(record, uses):
    """Raise for the first of the uses of an array, if any."""
    for use in uses:
        if use.reason == "UNREADABLE":
            raise WouldLoseData(
                record.device, "may carry data that nobody can see: %s" % use.what, use.advice
            )
        raise ArrayInUse(record.device, use.what, use.advice)


def claim(host, chosen):
    """Make sure that at this moment nobody holds any of the disks, and that each is one: all are
    held at once, then let go for mdadm.

    Raises DiskInUse, UnknownDisk.
    """
    held = {}
    try:
        for disk in chosen:
            for device in disk.paths:
                held[device] = held[device] if device in held else _hold(host, disk, device)
        for disk in chosen:
            _refuse_two_paths(host, disk)
    finally:
        for descriptor in held.values():
            os.close(descriptor)


def _hold(host, disk, device):
    try:
        return os.open(host.path(device), os.O_RDONLY | os.O_EXCL)
    except EnvironmentError as error:
        if error.errno == errno.EBUSY:
            raise DiskInUse(
                disk.device, "HELD", "another program has just opened %s exclusively" % device
            )
        raise UnknownDisk(device, "it has gone since it was listed (%s)" % os.strerror(error.errno))


def _refuse_two_paths(host, disk):
    """Refuse a disk to which another path leads as well: at boot mdadm finds its superblock twice
    and starts no such array.
    """
    others = [path for path in disk.paths if path != disk.device]
    try:
        same = identity.are_one(host, disk.device, others) if others else []
    except EnvironmentError as error:
        raise DiskInUse(
            disk.device,
            "UNREADABLE",
            "whether it is the same disk as %s cannot be found out (%s)"
            % (", ".join(others), os.strerror(error.errno)),
        )
    if same:
        raise DiskInUse(
            disk.device,
            "MULTIPATH",
            "it is the same disk as %s: two paths lead to it, and nothing on this host joins "
            "them. mdadm"
            " would find its superblock twice and start no array from it after a reboot; leave one "
            "path connected" % ", ".join(same),
        )


def wipe(host, commands, chosen):
    """Clear what was named to the caller, and make sure that nothing came to light beneath it.

    commands: of `snapshot.wipe_commands`. Raises StaleData, CommandFailed, Timeout.
    """
    for argv in commands:
        host.log("wiping as asked: %s" % command_line(argv), syslog.LOG_NOTICE)
        run(host, argv)
    if commands:
        names = [sysfs.name_of(disk.device) for disk in chosen]
        found, unreadable = signatures.signatures(host, names)
        left = []
        for name in names:
            types = [signature.type for signature in found.get(name, [])]
            if types:
                left.append((sysfs.node(name), ", ".join(types)))
        for name in sorted(unreadable):
            left.append((sysfs.node(name), "what cannot be read: " + unreadable[name]))
        if left:
            raise StaleData(left)
