"""LVM's volume groups: which are on a device, and how to change them in a dom0."""

from __future__ import absolute_import

from xsraid.host.physical_volume import Group
from xsraid.host.process import run

LABEL = "LVM2_member"  # libblkid's word for a physical volume
MASTER = "/etc/lvm/master"  # before 8.1 dom0's own lvm.conf lets nobody change LVM by hand
LIMIT_S = 60


def volume_groups(host):
    """Return {"major:minor": Group} of all physical volumes of which LVM knows the group, or that
    there is none.
    """
    reports = _report(host, "pvs", ["pv_name", "vg_name", "vg_uuid"])
    return {
        host.device_number(device): Group(name, uuid.replace("-", ""))
        for device, name, uuid in reports
        if not name.startswith("[")
    }


def volumes(host, group):
    """Return the names of a volume group's volumes."""
    return [name for (name,) in _report(host, "lvs", ["lv_name"], [group])]


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


def _report(host, tool, fields, words=()):
    """Return [[value of each field]] of what a tool reports. Some of LVM's complaints are on
    stdout, too: they have no field's name before them.
    """
    out = run(
        host,
        [tool, "--noheadings", "--nameprefixes", "--separator", "|", "-o", ",".join(fields)]
        + list(words),
        LIMIT_S,
    ).out
    rows = []
    for line in out.splitlines():
        if line.strip().startswith("LVM2_%s=" % fields[0].upper()):
            rows.append([part.split("=", 1)[1].strip("'") for part in line.strip().split("|")])
    return rows


def _change(host, argv):
    run(host, argv, LIMIT_S, environment={"LVM_SYSTEM_DIR": MASTER} if host.names(MASTER) else {})
