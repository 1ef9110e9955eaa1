"""Looks at this host and says of each disk whether it may be used: takes the Snapshot that `usage` decides from."""

from __future__ import absolute_import

import errno
import os

from xsraid import lvm, md, probe, sysfs, usage, xapi


def judge(host, session, disks, allow_4k=False):
    """Fill in `usable`, `refusals` and `stale` of disk records."""
    facts = [_facts(host, disk) for disk in disks]
    snapshot = _snapshot(host, facts, xapi.local_pbds(host, session), session.xenapi.SR.get_all_records())
    for disk, about in zip(disks, facts):
        disk["refusals"], disk["stale"] = usage.decide(about, snapshot, allow_4k)
        disk["usable"] = not disk["refusals"]


def wipe_commands(host, disks):
    """Return the argument lists that clear what is stale on judged disks: on each disk's partitions from the last to the first, then on itself."""
    commands = []
    for disk in disks:
        found = {}
        for item in disk["stale"]:
            found.setdefault(item["device"], []).append((item["type"], item["offset_bytes"]))
        for device in sorted(found, key=lambda device: (len(device), device), reverse=True):
            commands += probe.wipe_commands(device, found[device], is_partition=device != disk["device"])
        if sysfs.partitions(host, sysfs.name_of(disk["device"])):
            commands.append(["blockdev", "--rereadpt", disk["device"]])  # wipefs tells the kernel, but not each release of it
    return commands


def users_of(host, device):
    """Return what uses a device or what is built on it: (mount points, swap devices, devices built on it, its own partitions left out)."""
    name = sysfs.name_of(device)
    numbers, above, _ = _layers(host)
    mounted, swapped = _mounts(host), _swaps(host)
    family = usage.family_of(name, above)
    mounts = [place for member in family for place in mounted.get(numbers.get(member), [])]
    swaps = [sysfs.node(member) for member in family if numbers.get(member) in swapped]
    own = [name] + sysfs.partitions(host, name)
    return mounts, swaps, [sysfs.node(member) for member in family if member not in own]


def _facts(host, disk):
    name = sysfs.name_of(disk["device"])
    scsi_type = sysfs.attribute(host, name, "device/type")
    return usage.DiskFacts(
        name=name, size_bytes=disk["size_bytes"], sector_bytes=disk["logical_sector_bytes"], read_only=sysfs.number(host, name, "ro") == 1,
        removable=sysfs.number(host, name, "removable") == 1, scsi_type=scsi_type, partitions=sysfs.partitions(host, name),
        held={} if scsi_type == usage.OPTICAL_TYPE else _held(host, name))


def _snapshot(host, facts, pbds, srs):
    """Return the Snapshot of this host. facts: DiskFacts of the disks asked about, the only ones whose content is read; srs: records of XAPI."""
    numbers, above, dm_uuids = _layers(host)
    names = [name for about in facts if about.scsi_type != usage.OPTICAL_TYPE and about.size_bytes for name in [about.name] + about.partitions]
    contents, unreadable = probe.signatures(host, names)
    has_lvm = any(signature.type == lvm.LABEL for found in contents.values() for signature in found)
    return usage.Snapshot(
        numbers=numbers, above=above, mounts=_mounts(host), swaps=_swaps(host), dm_uuids=dm_uuids, arrays=md.read_arrays(host),
        sr_devices=_sr_devices(host, pbds, srs), srs={sr["uuid"]: sr["name_label"] for sr in srs.values()},
        contents=contents, unreadable=unreadable, groups=lvm.volume_groups(host) if has_lvm else {})


def _layers(host):
    """Return (numbers, above, dm_uuids) of the Snapshot. A loop device on a disk is no holder of it for the kernel, but uses it all the same."""
    numbers, above, dm_uuids, loops = {}, {}, {}, []
    for name in sysfs.block_devices(host):
        partitions = sysfs.partitions(host, name)
        numbers[name] = sysfs.attribute(host, name, "dev")
        above[name] = partitions + sysfs.holders(host, name)
        for partition in partitions:
            numbers[partition] = sysfs.attribute(host, name, partition + "/dev")
            above[partition] = sysfs.holders(host, name, partition)
        dm_uuid = sysfs.attribute(host, name, "dm/uuid")
        if dm_uuid is not None:
            dm_uuids[name] = dm_uuid
        backing_file = sysfs.attribute(host, name, "loop/backing_file")
        if backing_file:
            loops.append((name, host.device_number(backing_file)))
    names = {number: name for name, number in numbers.items()}
    for loop, number in loops:
        if number in names:
            above[names[number]].append(loop)
    return numbers, above, dm_uuids


def _held(host, name):
    """Return {kernel name: sentence} of a disk and its partitions that somebody holds exclusively; a held partition keeps its disk held.

    Opening to read changes nothing and wakes nobody.
    """
    held = {}
    for device in [name] + sysfs.partitions(host, name):
        try:
            os.close(os.open(host.path(sysfs.node(device)), os.O_RDONLY | os.O_EXCL))
        except EnvironmentError as error:
            busy = error.errno == errno.EBUSY
            held[device] = "another program holds it open exclusively" if busy else "it cannot be opened: %s" % os.strerror(error.errno)
        if not held:
            break
    return held


def _mounts(host):
    """Return {"major:minor": [mount points]} from mountinfo (proc(5)), whose third field it is and whose fifth is the mount point."""
    mounts = {}
    for line in host.read("/proc/self/mountinfo").splitlines():
        fields = line.split(" ")
        mounts.setdefault(fields[2], []).append(fields[4])
        source = fields[fields.index("-") + 2]
        number = host.device_number(source) if source.startswith("/") else None  # btrfs counts its own device numbers
        if number not in (None, fields[2]):
            mounts.setdefault(number, []).append(fields[4])
    return mounts


def _swaps(host):
    lines = host.read("/proc/swaps").splitlines()[1:]
    return {number for number in (host.device_number(line.split()[0]) for line in lines) if number}


def _sr_devices(host, pbds, srs):
    """Return {"major:minor": SR name} of the devices that PBDs name, plugged or not: as device, or in the folder that a udev SR offers to VMs."""
    devices = {}
    for pbd in pbds:
        config = pbd["device_config"]
        paths = [path for path in config.get("device", "").split(",") if path.startswith("/")]
        folder = config.get("location", "")
        paths += ["%s/%s" % (folder, name) for name in host.names(folder)] if folder.startswith("/") else []
        for number in filter(None, map(host.device_number, paths)):
            devices[number] = srs.get(pbd["SR"], {}).get("name_label", "that was just forgotten")
    return devices
