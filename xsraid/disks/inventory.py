"""The disks of this host: what they are, which of them a caller means, and, with `snapshot`,
whether each may be used; the verb `list_disks`.
"""

from __future__ import absolute_import

import re

from xsraid.disks import identity, snapshot
from xsraid.errors import BadArgument, UnknownDisk
from xsraid.host import sysfs
from xsraid.records import Record
from xsraid.text import shown

# Block devices that are no disks; td is blktap's, a virtual disk that dom0 itself serves.
DISK, PARTITION = "disk", "partition"  # what the name of a partition means, see `resolve`
NO_DISKS = r"(loop|ram|zram|dm-|md|nbd|drbd|zd|bcache|rbd|fd)\d|td[a-z]"


class Disk(Record):
    """A disk, as `list_disks` shows it, or a partition that stands for one.

    device: its node; by_id: the link that lasts; paths: nodes that may lead to it, its own among
    them; usable, refusals [{"reason", "detail"}], stale [{"type", "offset_bytes", "device",
    "label"}]: of `snapshot.judge`; whole_disk: of a partition, the node of its disk.
    """

    FIELDS = (
        "device",
        "by_id",
        "serial",
        "wwn",
        "vendor",
        "model",
        "size_bytes",
        "logical_sector_bytes",
        "physical_sector_bytes",
        "rotational",
        "transport",
        "paths",
        "usable",
        "refusals",
        "stale",
    )
    RARE = ("paths",)
    INNER = ("whole_disk",)


def list_disks(host, session):
    """Return {"disks": [disk record]}: every disk, usable or not, and each reason why not.

    A disk to which several paths may lead has a record for each; `paths`, which others lack, names
    all of them.
    """
    found = inventory(host)
    snapshot.judge(host, session, found)
    for disk in found:
        if len(disk.paths) == 1:
            disk.paths = None
    return {"disks": found}


def inventory(host):
    """Return the records of all disks in the order of their nodes, not yet judged: `usable` None,
    `refusals` and `stale` empty. `paths`: nodes.
    """
    names = [name for name in sysfs.block_devices(host) if not re.match(NO_DISKS, name)]
    real = [
        name
        for name in names
        if sysfs.attribute(host, name, "device/uevent") is not None
        and sysfs.attribute(host, name, "hidden") != "1"
    ]
    properties = {
        name: sysfs.udev_properties(host, sysfs.attribute(host, name, "dev")) for name in real
    }
    shared = identity.shared_links([each["links"] for each in properties.values()])
    found = sorted(
        (_disk(host, name, properties[name], shared) for name in real),
        key=lambda disk: (len(disk.device), disk.device),
    )
    identity.fill_in(host, found)
    return found


def resolve(host, found, names, argument, takes=None):
    """Return the disk records that a caller means, in the caller's order.

    found: of `inventory`; names: paths (any link or node that leads to the disk), names below /dev
    or /dev/disk/by-id, serial numbers or WWNs.
    takes: what the name of a partition means: None nothing, DISK its disk, PARTITION itself, as the
    record of a disk of its size. Raises UnknownDisk, and BadArgument when a name fits several disks
    or two names are one disk.
    """
    by_number = {
        number: (disk, partition) for disk in found for number, partition in _numbers(host, disk)
    }
    chosen = []
    for name in names:
        disk = _one(host, found, by_number, name, argument, takes)
        for other_name, other in zip(names, chosen):
            if other.device == disk.device:
                raise BadArgument(
                    argument,
                    "%s and %s are the same disk, %s"
                    % (shown(other_name), shown(name), disk.device),
                )
        chosen.append(disk)
    return chosen


def _one(host, found, by_number, name, argument, takes):
    for path in [name] if name.startswith("/") else ["/dev/" + name, identity.BY_ID + name]:
        number = host.device_number(path)
        if number in by_number:
            refuse_several(name, [disk for disk in found if path in _links(host, disk)], argument)
            disk, partition = by_number[number]
            if partition is None or takes == DISK:
                return disk
            if takes == PARTITION:
                return _partition(host, disk, partition)
        if number is not None:
            raise UnknownDisk(name, "this is a block device, but no whole disk")
    fitting = [disk for disk in found if name in (disk.serial, disk.wwn)]
    if not fitting:
        raise UnknownDisk(name)
    refuse_several(name, fitting, argument)
    return fitting[0]


def _numbers(host, disk):
    """Return [("major:minor", kernel name of the partition)] of a disk and its partitions, None for
    the disk itself.
    """
    name = sysfs.name_of(disk.device)
    partitions = [
        (sysfs.attribute(host, name, partition + "/dev"), partition)
        for partition in sysfs.partitions(host, name)
    ]
    return [(sysfs.attribute(host, name, "dev"), None)] + partitions


def _partition(host, disk, name):
    """Return the record of a partition, as if it were a disk of its size: its paths are the same
    partition on each path of the disk.
    """
    whole, node = sysfs.name_of(disk.device), sysfs.node(name)
    suffix = name[len(whole) :]
    size_bytes = (sysfs.number(host, whole, name + "/size") or 0) * sysfs.SECTOR_BYTES
    by_id = "%s-part%s" % (disk.by_id, suffix.lstrip("p")) if disk.by_id else None
    return disk.replace(
        device=node,
        by_id=by_id,
        size_bytes=size_bytes,
        paths=[path + suffix for path in disk.paths],
        whole_disk=disk.device,
    )


def refuse_several(name, fitting, argument):
    """Raise BadArgument for a name that several disks have. fitting: their records."""
    if len(fitting) > 1:
        raise BadArgument(
            argument,
            "%s fits several disks: %s; give their paths"
            % (shown(name), ", ".join(disk.device for disk in fitting)),
        )


def _links(host, disk):
    return sysfs.udev_properties(host, sysfs.attribute(host, sysfs.name_of(disk.device), "dev"))[
        "links"
    ]


def _disk(host, name, properties, shared):
    rotational = sysfs.number(host, name, "queue/rotational")
    wwn = properties.get("ID_WWN_WITH_EXTENSION") or properties.get("ID_WWN")
    if not wwn:
        wwn = sysfs.attribute(host, name, "wwid") or sysfs.attribute(host, name, "device/wwid")
    vendor = sysfs.attribute(host, name, "device/vendor") or properties.get("ID_VENDOR")
    model = sysfs.attribute(host, name, "device/model") or properties.get("ID_MODEL")
    return Disk(
        device=sysfs.node(name),
        by_id=identity.lasting(host, sysfs.node(name), properties["links"], shared),
        serial=sysfs.serial(host, name, properties),
        wwn=wwn or None,
        vendor=vendor or None,
        model=model or None,
        size_bytes=sysfs.size_bytes(host, name),
        logical_sector_bytes=sysfs.number(host, name, "queue/logical_block_size"),
        physical_sector_bytes=sysfs.number(host, name, "queue/physical_block_size"),
        rotational=None if rotational is None else bool(rotational),
        transport=_transport(name, properties),
        paths=[sysfs.node(name)],
        refusals=[],
        stale=[],
    )


def _transport(name, properties):
    if name.startswith("nvme"):
        return "nvme"
    if name.startswith("vd"):
        return "virtio"
    bus = properties.get("ID_BUS")
    if bus == "scsi" and "-sas-" in properties.get("ID_PATH", ""):
        return "sas"
    return bus
