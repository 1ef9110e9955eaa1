"""The disks of this host: what they are, which of them a caller means, and, with `survey`, whether each may be used; the verb `list_disks`."""

from __future__ import absolute_import

import collections
import re

from xsraid import survey, sysfs
from xsraid.errors import BadArgument, UnknownDisk
from xsraid.text import shown

# Block devices that are no disks; td is blktap's, a virtual disk that dom0 itself serves.
NO_DISKS = r"(loop|ram|zram|dm-|md|nbd|drbd|zd|bcache|rbd|fd)\d|td[a-z]"
BY_ID = "/dev/disk/by-id/"
# Its names from most to least telling: a bus and serial number, then NVMe's and SCSI's world wide names.
LINK_ORDER = ("ata-", "nvme-eui", "nvme-", "scsi-S", "scsi-", "usb-", "virtio-", "wwn-")


def list_disks(host, session):
    """Return {"disks": [disk record]}: every disk, usable or not, and each reason why not."""
    found = inventory(host)
    survey.judge(host, session, found)
    return {"disks": found}


def inventory(host):
    """Return the records of all disks in the order of their nodes, not yet judged: `usable` None, `refusals` and `stale` empty."""
    names = [name for name in sysfs.block_devices(host) if not re.match(NO_DISKS, name)]
    real = [name for name in names if sysfs.attribute(host, name, "device/uevent") is not None and sysfs.attribute(host, name, "hidden") != "1"]
    return sorted((_disk(host, name) for name in real), key=lambda disk: (len(disk["device"]), disk["device"]))


def resolve(host, found, names, argument):
    """Return the disk records that a caller means, in the caller's order.

    found: of `inventory`; names: paths (any link or node that leads to the disk), names below /dev or /dev/disk/by-id, serial numbers or WWNs.
    Raises UnknownDisk, and BadArgument when a name fits several disks or two names are one disk.
    """
    by_number = {sysfs.attribute(host, sysfs.name_of(disk["device"]), "dev"): disk for disk in found}
    chosen = []
    for name in names:
        disk = _one(host, found, by_number, name, argument)
        for other_name, other in zip(names, chosen):
            if other is disk:
                raise BadArgument(argument, "%s and %s are the same disk, %s" % (shown(other_name), shown(name), disk["device"]))
        chosen.append(disk)
    return chosen


def _one(host, found, by_number, name, argument):
    for path in [name] if name.startswith("/") else ["/dev/" + name, BY_ID + name]:
        number = host.device_number(path)
        if number in by_number:
            return by_number[number]
        if number is not None:
            raise UnknownDisk(name, "this is a block device, but no whole disk")
    fitting = [disk for disk in found if name in (disk["serial"], disk["wwn"])]
    if len(fitting) > 1:
        raise BadArgument(argument, "%s fits several disks: %s; give their paths" % (shown(name), ", ".join(disk["device"] for disk in fitting)))
    if not fitting:
        raise UnknownDisk(name)
    return fitting[0]


def _disk(host, name):
    properties = sysfs.udev_properties(host, sysfs.attribute(host, name, "dev"))
    rotational = sysfs.number(host, name, "queue/rotational")
    return collections.OrderedDict([
        ("device", sysfs.node(name)),
        ("by_id", _by_id(properties["links"])),
        ("serial", sysfs.serial(host, name, properties)),
        ("wwn", properties.get("ID_WWN_WITH_EXTENSION") or properties.get("ID_WWN") or sysfs.attribute(host, name, "wwid") or None),
        ("vendor", sysfs.attribute(host, name, "device/vendor") or properties.get("ID_VENDOR") or None),
        ("model", sysfs.attribute(host, name, "device/model") or properties.get("ID_MODEL") or None),
        ("size_bytes", sysfs.size_bytes(host, name)),
        ("logical_sector_bytes", sysfs.number(host, name, "queue/logical_block_size")),
        ("physical_sector_bytes", sysfs.number(host, name, "queue/physical_block_size")),
        ("rotational", None if rotational is None else bool(rotational)),
        ("transport", _transport(name, properties)),
        ("usable", None),
        ("refusals", []),
        ("stale", []),
    ])


def _by_id(links):
    names = [link for link in links if link.startswith(BY_ID)]
    return max(names, key=lambda link: [link[len(BY_ID):].startswith(prefix) for prefix in LINK_ORDER]) if names else None


def _transport(name, properties):
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("vd"):
        return "virtio"
    bus = properties.get("ID_BUS")
    if bus == "scsi" and "-sas-" in properties.get("ID_PATH", ""):
        return "sas"
    return bus
