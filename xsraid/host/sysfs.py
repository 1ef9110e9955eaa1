"""What the kernel and udev say of block devices, by reading files only: /sys/block and udev's
database under /run/udev/data.

A device here is its kernel name (`sda`, `md0`, `cciss!c0d0`); what cannot be known is None.
"""

from __future__ import absolute_import

import errno
import re
import time

from xsraid.text import lines_of, native

SECTOR_BYTES = 512  # sysfs counts in these, whatever the device's own sectors (Documentation/ABI)
LET_GO_LOOKS, LET_GO_PAUSE_S = 10, 0.02


def block_devices(host):
    """Return the kernel names of all whole block devices."""
    return host.names("/sys/block")


def boot_time(host):
    """Return when this boot began, in seconds since 1970 by the clock as it is set now (the
    kernel's filesystems/proc.rst, btime).
    """
    return int(re.search(r"^btime (\d+)$", host.read("/proc/stat"), re.MULTILINE).group(1))


def boot_id(host):
    """Return what tells this boot from all others (random(4))."""
    return host.read("/proc/sys/kernel/random/boot_id").strip()


def node(name):
    """Return the device node of a kernel name; the kernel writes `!` where the node's path has a
    slash.
    """
    return "/dev/" + name.replace("!", "/")


def name_of(device):
    """Return the kernel name of a device node, the reverse of `node`."""
    return device[len("/dev/") :].replace("/", "!")


def attribute(host, name, path):
    """Return an attribute of a whole device, such as `queue/rotational`, None when it is not there.
    Raises EnvironmentError.

    EBUSY is md's answer for a member that it has unbound (drivers/md/md.c: rdev_attr_show, before
    5.3) or an array that it has given up (md_attr_show, still): its folder goes in a moment, so it
    is looked for again, and counts as gone in the end. Of others EBUSY says no such thing.
    """
    for _ in range(LET_GO_LOOKS):
        try:
            return host.attribute("/sys/block/%s/%s" % (name, path))
        except EnvironmentError as error:
            if error.errno != errno.EBUSY or not path.startswith("md/"):
                raise
        time.sleep(LET_GO_PAUSE_S)
    return None


def number(host, name, path):
    """Return an attribute as a whole number; of one that a reshape is changing, the new one."""
    found = numbers(host, name, path)
    return found[0] if found else None


def numbers(host, name, path):
    """Return the whole numbers of an attribute: one, [] for none, or [new, old] of one that a
    reshape is changing (the kernel writes `4 (3)`).
    """
    words = (attribute(host, name, path) or "").replace("(", " ").replace(")", " ").split()
    if not all(word.lstrip("-").isdigit() for word in words):
        return []
    return [int(word) for word in words]


def size_bytes(host, name):
    """Return the size of a whole device, 0 for one that has just gone."""
    return (number(host, name, "size") or 0) * SECTOR_BYTES


def partitions(host, name):
    """Return the kernel names of a device's partitions."""
    entries = [entry for entry in host.names("/sys/block/%s" % name) if entry.startswith(name)]
    return [
        entry
        for entry in entries
        if host.attribute("/sys/block/%s/%s/partition" % (name, entry)) is not None
    ]


def disks_and_partitions(host):
    """Return [(device node, "major:minor")] of all whole block devices and their partitions."""
    found = []
    for name in block_devices(host):
        found.append((node(name), attribute(host, name, "dev")))
        found += [
            (node(entry), attribute(host, name, entry + "/dev")) for entry in partitions(host, name)
        ]
    return found


def holders(host, name, partition=None):
    """Return the kernel names of the devices that are built on a device or on one of its
    partitions.
    """
    return host.names(
        "/sys/block/%s/holders" % (name if partition is None else "%s/%s" % (name, partition))
    )


def udev_properties(host, device_number):
    """Return udev's properties of a block device ("major:minor") and, under `links`, its names
    below /dev, best first.

    The database is a file a device: `E:KEY=value` lines for properties, `S:name` for links
    (systemd's sd-device).
    """
    text = host.read_if_there("/run/udev/data/b%s" % device_number) if device_number else None
    properties, links = {}, []
    for line in lines_of(text or ""):
        if line.startswith("E:") and "=" in line:
            key, value = line[2:].split("=", 1)
            properties[key] = value
        elif line.startswith("S:"):
            links.append("/dev/" + line[2:])
    properties["links"] = sorted(links)
    return properties


def serial(host, name, properties):
    """Return a disk's serial number as its label says: the SCSI unit serial, ATA's or NVMe's own;
    not the WWN that ID_SERIAL_SHORT is for SAS.
    """
    found = (
        properties.get("ID_SCSI_SERIAL")
        or properties.get("SCSI_IDENT_SERIAL")
        or properties.get("ID_SERIAL_SHORT")
    )
    return (
        found or attribute(host, name, "device/serial") or _unit_serial_page(host, name) or ""
    ).strip() or None


def disk_key(host, device):
    """Return what a disk is remembered by: all that it says of itself, and its place, as some
    makers give many disks one number.

    device: the node of a disk or of a partition of it.
    """
    name = name_of(device)
    if attribute(host, name, "dev") is None:
        name = re.sub(r"(?<=\d)p\d+\Z|(?<=[a-z])\d+\Z", "", name)
    properties = udev_properties(host, attribute(host, name, "dev"))
    wwid = (
        attribute(host, name, "wwid")
        or attribute(host, name, "device/wwid")
        or properties.get("ID_WWN")
    )
    parts = [
        attribute(host, name, "device/model"),
        serial(host, name, properties),
        wwid,
        properties.get("ID_PATH") or name,
    ]
    return " ".join(part.strip() for part in parts if part)


def _unit_serial_page(host, name):
    """Return the serial number of SCSI's vital product data page 0x80: four bytes of header, then
    text.
    """
    try:
        page = host.read_if_there("/sys/block/%s/device/vpd_pg80" % name)
    except EnvironmentError:  # a device that cannot answer: it has no serial to show
        return None
    return native(page[4:]).strip("\0 ") if page else None
