"""What is built on what: partitions, arrays, device-mapper, loop devices, mounts and swap, from
/sys/block and /proc alone. No command is run.
"""

from __future__ import absolute_import

import collections
import re

from xsraid.host import physical_volume, sysfs
from xsraid.text import lines_of

# As the Graph of `refusals` has them.
Layers = collections.namedtuple("Layers", "numbers above partitions dm_uuids dm_names mounts swaps")


def read(host):
    """Return the Layers of this host. A loop device on a disk is no holder of it for the kernel,
    but uses it all the same.
    """
    found, loops = Layers({}, {}, {}, {}, {}, _mounts(host), _swaps(host)), []
    for name in sysfs.block_devices(host):
        partitions = found.partitions[name] = sysfs.partitions(host, name)
        found.numbers[name] = sysfs.attribute(host, name, "dev")
        found.above[name] = partitions + sysfs.holders(host, name)
        for partition in partitions:
            found.numbers[partition] = sysfs.attribute(host, name, partition + "/dev")
            found.above[partition] = sysfs.holders(host, name, partition)
        dm_uuid = sysfs.attribute(host, name, "dm/uuid")
        if dm_uuid is not None:
            found.dm_uuids[name] = dm_uuid
            found.dm_names[name] = sysfs.attribute(host, name, "dm/name")
        backing_file = sysfs.attribute(host, name, "loop/backing_file")
        if backing_file:
            loops.append((name, host.device_number(backing_file)))
    names = {number: name for name, number in found.numbers.items()}
    for loop, number in loops:
        if number in names:
            found.above[names[number]].append(loop)
    return found


def _mounts(host):
    """Return {"major:minor": [mount points]} from mountinfo (proc(5)), whose third field it is and
    whose fifth is the mount point.
    """
    found = {}
    for line in lines_of(host.read("/proc/self/mountinfo")):
        fields = line.split(" ")
        found.setdefault(fields[2], []).append(fields[4])
        source = fields[fields.index("-") + 2]
        # Btrfs counts its own device numbers.
        number = host.device_number(source) if source.startswith("/") else None
        if number not in (None, fields[2]):
            found.setdefault(number, []).append(fields[4])
    return found


def _swaps(host):
    lines = lines_of(host.read("/proc/swaps"))[1:]
    numbers = {host.device_number(line.split()[0]) for line in lines}
    return numbers - {None}


def users_of(host, device):
    """Return what uses a device or what is built on it: (mount points, swap devices, devices built
    on it, its own partitions left out).
    """
    return _users(read(host), sysfs.name_of(device))


def _users(found, name):
    family = family_of(name, found.above)
    mounts = [
        place for member in family for place in found.mounts.get(found.numbers.get(member), [])
    ]
    swaps = [sysfs.node(member) for member in family if found.numbers.get(member) in found.swaps]
    own = [name] + found.partitions.get(name, [])
    return mounts, swaps, [sysfs.node(member) for member in family if member not in own]


def family_of(name, above):
    """Return a device, its partitions and all that is built on them, each once."""
    family, waiting = [], [name]
    while waiting:
        device = waiting.pop(0)
        if device not in family:
            family.append(device)
            waiting += above.get(device, [])
    return family


def is_array(name):
    """Return whether a kernel name is that of an md array: `md0`, `md127`, `md_d3`, `md_home`, not
    of a partition of one.
    """
    return re.match(r"md(\d+|_.*)\Z", name) is not None and not re.match(r"md_d\d+p\d+\Z", name)


def in_words(found, device):
    """Return a noun phrase for each thing that uses a device or what is built on it; the volumes of
    an LVM group are one. found: of `read`.
    """
    mounts, swaps, above = _users(found, sysfs.name_of(device))
    phrases = ["the mount %s" % place for place in mounts]
    phrases += ["swap on %s" % swap for swap in swaps]
    volumes = collections.Counter()
    for name in map(sysfs.name_of, above):
        if is_array(name):
            phrases.append("the array %s" % sysfs.node(name))
        elif found.dm_uuids.get(name, "").startswith("LVM-"):
            volumes[physical_volume.volume_of(found.dm_names[name] or "")[0]] += 1
        elif not any(name in partitions for partitions in found.partitions.values()):
            phrases.append(sysfs.node(name))
    return phrases + [
        "%d active volumes of the volume group %s" % (count, group)
        for group, count in sorted(volumes.items())
    ]
