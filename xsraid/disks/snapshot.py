"""Looks at this host: takes the Graph from which `refusals` decides on disks and arrays, at that
moment.
"""

from __future__ import absolute_import

import collections
import errno
import os

from xsraid.disks import identity, lvm, refusals, signatures
from xsraid.host import physical_volume, stack, sysfs
from xsraid.md import state as md_state
from xsraid.text import natively
from xsraid.xapi import objects

Judged = collections.namedtuple("Judged", "uses stale")  # of an array, see usage.decide_array


def judge(host, session, disks, allow_4k=False, allow_removable=False):
    """Fill in `usable`, `refusals` and `stale` of disk records; in `paths`, those that are other
    disks by what is on them are left out.
    """
    for disk in disks:
        identity.leave_out_others(host, disk)
    facts = [_facts(host, disk) for disk in disks]
    names = [
        name
        for about in facts
        if about.scsi_type != refusals.OPTICAL_TYPE and about.size_bytes
        for name in [about.name] + about.partitions
    ]
    graph = _graph(
        host, session, names, {about.name: _other_names(disk) for disk, about in zip(disks, facts)}
    )
    for disk, about in zip(disks, facts):
        disk.refusals, disk.stale = refusals.decide(about, graph, allow_4k, allow_removable)
        disk.usable = not disk.refusals


def judge_array(host, session, record):
    """Return what uses an array that is there, and what is on it, as Judged. Without a session what
    XAPI knows is left out.
    """
    name = sysfs.name_of(record.device)
    names = [name] + sysfs.partitions(host, name)
    graph = _graph(host, session, names, {})
    return Judged(
        *refusals.decide_array(
            name, graph, _held(host, name, names[1:]) if not graph.above[name] else {}
        )
    )


def wipe_commands(host, disks):
    """Return the argument lists that clear what is stale on judged disks: on each disk's partitions
    from the last to the first, then on itself.
    """
    commands = []
    for disk in disks:
        found = {}
        for item in disk.stale:
            found.setdefault(item["device"], []).append((item["type"], item["offset_bytes"]))
        for device in sorted(found, key=lambda device: (len(device), device), reverse=True):
            commands += signatures.wipe_commands(
                device, found[device], is_partition=device != disk.device
            )
        if sysfs.partitions(host, sysfs.name_of(disk.device)):
            # Wipefs tells the kernel, but not each release of it.
            commands.append(["blockdev", "--rereadpt", disk.device])
    return commands


def _facts(host, disk):
    """Return the DiskFacts of a disk, or of a partition that has a disk's record."""
    name, whole = (
        sysfs.name_of(disk.device),
        sysfs.name_of(disk.whole_disk or disk.device),
    )
    partitions = sysfs.partitions(host, name)
    scsi_type = sysfs.attribute(host, whole, "device/type")
    held = {} if scsi_type == refusals.OPTICAL_TYPE else _held(host, name, partitions)
    for path in _other_names(disk):
        held.update(_held(host, path, sysfs.partitions(host, path)))
    return refusals.DiskFacts(
        name=name,
        size_bytes=disk.size_bytes,
        sector_bytes=disk.logical_sector_bytes,
        read_only=sysfs.number(host, whole, "ro") == 1,
        removable=sysfs.number(host, whole, "removable") == 1,
        scsi_type=scsi_type,
        transport=disk.transport,
        partitions=partitions,
        held=held,
    )


def _other_names(disk):
    """Return the kernel names of the other paths that a disk may have."""
    return [sysfs.name_of(path) for path in disk.paths if path != disk.device]


def _graph(host, session, names, other_paths):
    """Return the Graph of this host. names: kernel names of the devices asked about, the only ones
    whose content is read; other_paths:
    {name: other names of the same disk}.
    """
    found = stack.read(host)
    contents, unreadable = signatures.signatures(host, names)
    srs, sr_devices = _srs(host, session) if session is not None else ({}, {})
    groups, copies = _groups(host, contents, found.numbers)
    links = {
        name: sysfs.udev_properties(host, number)["links"] for name, number in found.numbers.items()
    }
    shared = identity.shared_links(links.values())
    lasting = {
        name: identity.lasting(host, sysfs.node(name), links.get(name, []), shared)
        for name in names
    }
    return refusals.Graph(
        numbers=found.numbers,
        above=found.above,
        partitions=found.partitions,
        paths=other_paths,
        links={name: link for name, link in lasting.items() if link},
        names=links,
        mounts=found.mounts,
        swaps=found.swaps,
        dm_uuids=found.dm_uuids,
        dm_names=found.dm_names,
        arrays=md_state.read_arrays(host),
        lines=md_state.read_configuration(host).array_lines(),
        sr_devices=sr_devices,
        srs=srs,
        contents=contents,
        unreadable=unreadable,
        groups=groups,
        copies=copies,
    )


def _groups(host, contents, numbers):
    """Return ({"major:minor": lvm.Group}, copies) of LVM's physical volumes: as LVM says, else as
    their own metadata does.

    LVM shows one of several copies only, and none that its filters leave out or that is a member of
    an array.
    """
    labelled = []
    for name in sorted(contents):
        if lvm.LABEL in [signature.type for signature in contents[name]]:
            labelled.append(name)
    groups, copies = lvm.volume_groups(host) if labelled else {}, set()
    for name in labelled:
        group = (
            physical_volume.group_on(host, sysfs.node(name))
            if numbers[name] not in groups
            else None
        )
        if group is not None:
            groups[numbers[name]] = group
            copies.add(numbers[name])
    return groups, copies


def _held(host, name, partitions):
    """Return {kernel name: sentence} of a device and its partitions that somebody holds
    exclusively; a held partition keeps its disk held.

    Opening to read changes nothing and wakes nobody.
    """
    held = {}
    for device in [name] + partitions:
        try:
            os.close(os.open(host.path(sysfs.node(device)), os.O_RDONLY | os.O_EXCL))
        except EnvironmentError as error:
            busy = error.errno == errno.EBUSY
            held[device] = (
                "another program holds it open exclusively"
                if busy
                else "it cannot be opened: %s" % os.strerror(error.errno)
            )
        if not held:
            break
    return held


def _srs(host, session):
    """Return ({uuid: usage.Sr}, {"major:minor": uuid}) of all SRs that XAPI knows, and of the
    devices that this host's PBDs name.

    A PBD names them, plugged or not, as its device or by the folder that a udev SR offers to VMs.
    """
    records = natively(session.xenapi.SR.get_all_records())
    srs = {sr["uuid"]: refusals.Sr(sr["name_label"], None) for sr in records.values()}
    devices = {}
    for pbd in natively(objects.local_pbds(host, session)):
        uuid = records[pbd["SR"]]["uuid"] if pbd["SR"] in records else pbd["SR"]
        srs[uuid] = refusals.Sr(
            srs[uuid].name if uuid in srs else "that was just forgotten", pbd["uuid"]
        )
        for number in filter(
            None, map(host.device_number, _paths_of_pbd(host, pbd["device_config"]))
        ):
            devices[number] = uuid
    return srs, devices


def _paths_of_pbd(host, config):
    named = [path for path in config.get("device", "").split(",") if path.startswith("/")]
    folder = config.get("location", "")
    if folder.startswith("/"):
        named += ["%s/%s" % (folder, name) for name in host.names(folder)]
    return named
