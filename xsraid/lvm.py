"""LVM's volume groups: which are on a device, and how to change them in a dom0."""

from __future__ import absolute_import

import collections

from xsraid.commands import run

LABEL = "LVM2_member"  # libblkid's word for a physical volume
MASTER = "/etc/lvm/master"  # before 8.1 dom0's own lvm.conf lets nobody change LVM by hand
LIMIT_S = 60
Group = collections.namedtuple("Group", "name uuid")  # both are "" for a physical volume that belongs to none


def volume_groups(host):
    """Return {"major:minor": Group} of all physical volumes that LVM sees."""
    groups = {}
    for line in run(host, ["pvs", "--noheadings", "--separator", "|", "-o", "pv_name,vg_name,vg_uuid"], LIMIT_S).out.splitlines():
        device, name, uuid = line.strip().split("|")
        groups[host.device_number(device)] = Group(name, uuid.replace("-", ""))
    return groups


def volumes(host, group):
    """Return the names of a volume group's volumes."""
    return run(host, ["lvs", "--noheadings", "-o", "lv_name", group], LIMIT_S).out.split()


def deactivate(host, group):
    """Deactivate a volume group. Raises CommandFailed while one of its volumes is open."""
    _change(host, ["vgchange", "-an", group])


def remove(host, group):
    """Remove a volume group with all its volumes."""
    deactivate(host, group)
    _change(host, ["vgremove", "-f", group])


def remove_label(host, device):
    """Make a physical volume that belongs to no group a blank device."""
    _change(host, ["pvremove", device])


def _change(host, argv):
    run(host, argv, LIMIT_S, environment={"LVM_SYSTEM_DIR": MASTER} if host.names(MASTER) else {})
