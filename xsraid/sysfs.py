"""What the kernel and udev say of block devices, by reading files only: /sys/block and udev's database under /run/udev/data.

A device here is its kernel name (`sda`, `md0`, `cciss!c0d0`); what cannot be known is None.
"""

from __future__ import absolute_import

from xsraid.text import native

SECTOR_BYTES = 512  # sysfs counts in these, whatever the device's own sectors (Documentation/ABI)


def block_devices(host):
    """Return the kernel names of all whole block devices."""
    return host.names("/sys/block")


def node(name):
    """Return the device node of a kernel name; the kernel writes `!` where the node's path has a slash."""
    return "/dev/" + name.replace("!", "/")


def name_of(device):
    """Return the kernel name of a device node, the reverse of `node`."""
    return device[len("/dev/"):].replace("/", "!")


def attribute(host, name, path):
    """Return an attribute of a whole device, such as `queue/rotational`."""
    return host.attribute("/sys/block/%s/%s" % (name, path))


def number(host, name, path):
    """Return an attribute as a whole number; of one that a reshape is changing, the new one."""
    found = numbers(host, name, path)
    return found[0] if found else None


def numbers(host, name, path):
    """Return the whole numbers of an attribute: one, [] for none, or [new, old] of one that a reshape is changing (the kernel writes `4 (3)`)."""
    words = (attribute(host, name, path) or "").replace("(", " ").replace(")", " ").split()
    return [int(word) for word in words] if all(word.lstrip("-").isdigit() for word in words) else []


def size_bytes(host, name):
    """Return the size of a whole device, 0 for one that has just gone."""
    return (number(host, name, "size") or 0) * SECTOR_BYTES


def partitions(host, name):
    """Return the kernel names of a device's partitions."""
    return [entry for entry in host.names("/sys/block/%s" % name) if host.attribute("/sys/block/%s/%s/partition" % (name, entry)) is not None]


def disks_and_partitions(host):
    """Return [(device node, "major:minor")] of all whole block devices and their partitions."""
    found = []
    for name in block_devices(host):
        found.append((node(name), attribute(host, name, "dev")))
        found += [(node(entry), attribute(host, name, entry + "/dev")) for entry in partitions(host, name)]
    return found


def holders(host, name, partition=None):
    """Return the kernel names of the devices that are built on a device or on one of its partitions."""
    return host.names("/sys/block/%s/holders" % (name if partition is None else "%s/%s" % (name, partition)))


def udev_properties(host, device_number):
    """Return udev's properties of a block device ("major:minor") and, under `links`, its names below /dev, best first.

    The database is a file a device: `E:KEY=value` lines for properties, `S:name` for links (systemd's sd-device).
    """
    text = host.read_if_there("/run/udev/data/b%s" % device_number) if device_number else None
    properties, links = {}, []
    for line in (text or "").splitlines():
        if line.startswith("E:") and "=" in line:
            key, value = line[2:].split("=", 1)
            properties[key] = value
        elif line.startswith("S:"):
            links.append("/dev/" + line[2:])
    properties["links"] = sorted(links)
    return properties


def serial(host, name, properties):
    """Return a disk's serial number as its label says: the SCSI unit serial, ATA's or NVMe's own; not the WWN that ID_SERIAL_SHORT is for SAS."""
    found = properties.get("ID_SCSI_SERIAL") or properties.get("SCSI_IDENT_SERIAL") or properties.get("ID_SERIAL_SHORT")
    return (found or attribute(host, name, "device/serial") or _unit_serial_page(host, name) or "").strip() or None


def _unit_serial_page(host, name):
    """Return the serial number of SCSI's vital product data page 0x80: four bytes of header, then text."""
    try:
        page = host.read_if_there("/sys/block/%s/device/vpd_pg80" % name)
    except EnvironmentError:  # a device that cannot answer: it has no serial to show
        return None
    return native(page[4:]).strip("\0 ") if page else None
