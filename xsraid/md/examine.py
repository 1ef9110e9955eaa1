"""Which devices are members of arrays, and their superblocks, each read in a process of its own: a
disk that hangs holds up no other.
"""

from __future__ import absolute_import

from xsraid.host import sysfs, workers
from xsraid.md import mdadm, superblocks
from xsraid.md import state as md_state
from xsraid.text import bare_uuid

GRACE_S = 5  # for what is done besides mdadm


def superblocks_of(host, devices):
    """Return ({device: Superblock or None}, {device: why it cannot be read}); all are read at the
    same time.
    """
    limit_s = mdadm.examine_limit_s(host) + GRACE_S
    outcomes = workers.each(
        host, lambda device: superblocks.packed(mdadm.examine(host, device)), devices, limit_s
    )
    found = {
        device: superblocks.unpacked(outcome.value)
        for device, outcome in zip(devices, outcomes)
        if outcome.error is None
    }
    unread = {
        device: outcome.error
        for device, outcome in zip(devices, outcomes)
        if outcome.error is not None
    }
    return found, unread


def candidates(host):
    """Return {device: 32 digits of the array's uuid} of the members of arrays, as udev knows
    them.
    """
    found = {}
    for device, number in sysfs.disks_and_partitions(host):
        properties = sysfs.udev_properties(host, number)
        if properties.get("ID_FS_TYPE") == md_state.MEMBER_TYPE and properties.get("ID_FS_UUID"):
            found[device] = bare_uuid(properties["ID_FS_UUID"])
    return found


def lasting_names(host, blocks):
    """Return what leads to the members of Superblocks after a reboot, too, as words."""
    return " ".join(lasting_name(host, block.device) for block in blocks)


def lasting_name(host, device):
    """Return the by-id link of a device, which leads to it after a reboot, too; its node where it
    has none.
    """
    links = sysfs.udev_properties(host, host.device_number(device))["links"]
    return next((link for link in links if link.startswith("/dev/disk/by-id/")), device)
