"""Growing arrays: more members, and then more room for the storage repository on the array. The
verb `grow_array`.

A reshape moves all data. It is begun only where each member has room before its data: md then never
overwrites what it still needs, and goes on by itself after a power cut (mdadm's new data offset,
from 3.3 and Linux 3.5 on). Without that room mdadm keeps what it overwrites first in a file or on
the new disks, and what it puts back from there after a power cut is not always what was there
(mdadm 4.2 gave back other data in 2 of 2 tries).
"""

from __future__ import absolute_import

import collections
import syslog

import XenAPI

from xsraid.actions import members, rollback
from xsraid.disks import lvm
from xsraid.errors import BadArgument, CommandFailed, Timeout, UnknownArray, Unsupported
from xsraid.host import config, store, sysfs
from xsraid.md import levels, mdadm, resync
from xsraid.md import state as md_state
from xsraid.md.levels import LEVELS
from xsraid.states import Health, MemberState
from xsraid.text import bare_uuid
from xsraid.xapi import sr_types

GROWABLE = [name for name, rule in LEVELS.items() if rule.grows]
TRIES_MAX = 6
# Less the storage manager does not take; LVM's own data are in it as well.
ROOM_MIN_BYTES = 100 << 20
FILE_SYSTEM_PART = 20  # at most the twentieth part of a device is a file system's own


def grow_array(host, session, array, devices, wipe, allow_removable):
    """Add members to an array; once it has more room, offer that to the SR on it. Return {"array",
    "sr_sees_size", "next": what to do next}.

    devices: names of disks, spares of this array among them; None only asks the SR once more. wipe:
    erase existing signatures on the disks;
    allow_removable: take those that the kernel calls removable.
    sr_sees_size: None if nothing is on the array that could take room. Raises BadArgument,
    Unsupported, ArrayInUse while something runs on it, and what `add_disk` raises; the array and
    the disks are then as they were.
    """
    config.load(host)
    with rollback.changing(host, "grow_array", session):
        record = md_state.find_array(host, array)
        if record.health in Health.NOT_THERE or record.uuid is None:
            raise UnknownArray(
                array, "this array is %s, it cannot grow" % md_state.state_in_words(record)
            )
        if devices:
            _refuse(host, record)
            _grow(host, session, record, devices, (wipe, allow_removable))
        record = md_state.list_arrays(host, session, record.uuid)["arrays"][0]
        _note_room(host, session, record)
        seen = _offer(host, session, record, session.xenapi.SR.scan)
        return collections.OrderedDict(
            [
                ("array", record),
                ("sr_sees_size", seen),
                ("next", _next(host, session, record, seen)),
            ]
        )


def follow(host, session, records):
    """Offer SRs the room of arrays that have been reshaped since. records: of `state.read_arrays`.
    Raises CommandFailed, and what XAPI raises.
    """
    by_uuid = {bare_uuid(record.uuid): record for record in records if record.uuid}
    for uuid in store.uuids(host, store.GROWING):
        if uuid not in by_uuid:
            store.remove(host, store.GROWING, uuid)
        elif store.read(host, store.GROWING, uuid).get("tries", 0) < TRIES_MAX:
            _offer(host, session, by_uuid[uuid], session.xenapi.Async.SR.scan)


def is_open(host, records):
    """Return whether an SR is still to be offered new room that is there already. records: of
    `state.read_arrays`.
    """
    grown = [bare_uuid(record.uuid) for record in records if record.uuid and not record.sync]
    return any(
        uuid in grown and store.read(host, store.GROWING, uuid).get("tries", 0) < TRIES_MAX
        for uuid in store.uuids(host, store.GROWING)
    )


def room_sectors(level, chunk_sectors, count, new_count):
    """Return how many sectors must be free before the data of each member for a reshape that never
    overwrites what it needs (mdadm's Grow.c).

    They hold a stripe of the old and one of the new shape: 0 where nothing is moved. RAID10 has no
    other way, so there mdadm itself refuses.
    """
    shape = levels.rule(level)
    if not shape.parity:
        return 0
    old, new = shape.data_members(count), shape.data_members(new_count)
    # New * least is the least common multiple.
    least = next(rows for rows in range(1, old + 1) if rows * new % old == 0)
    return chunk_sectors * new * least // min(old, new)


def _refuse(host, record):
    """Raise for an array that cannot be reshaped, or not now."""
    md_state.refuse_firmware(record, "grows")
    members.refuse_read_only(record)
    if record.level not in GROWABLE:
        raise BadArgument(
            "array",
            "%s is %s, which does not grow; it takes one of %s"
            % (record.device, record.level, ", ".join(GROWABLE)),
        )
    members.refuse_under_way(host, record)
    if record.frozen:
        raise BadArgument(
            "array",
            "%s is frozen: `echo idle > /sys/block/%s/md/sync_action`, then repeat the call"
            % (record.device, sysfs.name_of(record.device)),
        )
    if record.health != Health.OPTIMAL:
        raise BadArgument("array", "%s is %s: repair it first" % (record.device, record.health))
    if record.consistency_policy in ("ppl", "journal"):
        raise Unsupported(
            "Growing %s, whose write hole is closed by %s"
            % (record.device, record.consistency_policy),
            "an array without it, as the kernel cannot reshape one that has it",
        )
    if (
        record.level == "raid10"
        and (sysfs.number(host, sysfs.name_of(record.device), "md/layout") or 0) >> 8 != 1
    ):
        raise Unsupported(
            "Growing %s, whose copies are far or offset" % record.device,
            "the near layout, the only one that mdadm can reshape",
        )


def _grow(host, session, record, names, allowed):
    """Put the disks in and begin the reshape; on a failure take them out again."""
    md_state.name_srs(host, session, [record])
    wanted = []
    for name in names:
        member = members.find(host, record, name, "devices")
        if member is None:
            wanted.append(name)
        elif member.state != MemberState.SPARE:
            raise BadArgument(
                "devices", "%s is a member of %s already" % (member.device, record.device)
            )
    count = sysfs.number(host, sysfs.name_of(record.device), "md/raid_disks")
    new_count = count + len(names)
    _refuse_tight(host, record, count, new_count)
    new = members.choose(host, session, record, wanted, "devices", *allowed)
    _unpin(host, record)
    try:
        for disk in new:
            members.put_in(host, record, disk)
        mdadm.grow(host, record.device, new_count)
    except (CommandFailed, Timeout):
        resync.thaw(host, record)
        for disk in new:
            members.take_out_again(host, record, disk.device)
            _clear_again(host, disk.device, record)
        raise
    members.wait_until(
        host,
        record,
        lambda now: len([member for member in now.members if member.slot is not None]) >= new_count,
    )
    members.count_spares(host, record)
    host.log(
        "%s grows from %d to %d members" % (record.device, count, new_count), syslog.LOG_NOTICE
    )
    if record.sr and levels.rule(record.level).chunked:
        size_bytes = int(
            session.xenapi.SR.get_physical_size(session.xenapi.SR.get_by_uuid(record.sr.uuid))
        )
        store.write(
            host,
            store.GROWING,
            {"sr": record.sr.uuid, "size_bytes": size_bytes, "tries": 0},
            record.uuid,
        )


def _clear_again(host, device, record):
    """Clear the superblock of a disk that was taken out again after a failure, which is the one to
    report.
    """
    try:
        rollback.clear(host, device, record.uuid)
    except (CommandFailed, Timeout) as error:
        host.log("%s keeps its superblock: %s" % (device, error), syslog.LOG_WARNING)


def _refuse_tight(host, record, count, new_count):
    """Refuse a reshape for which a member has too little room before its data."""
    needed = room_sectors(
        record.level, (record.chunk_bytes or 0) // sysfs.SECTOR_BYTES, count, new_count
    )
    for member in record.members if needed else []:
        free = mdadm.free_sectors_before(host, member.device)
        if free is None or free < needed:
            raise Unsupported(
                "Growing %s from %d to %d members" % (record.device, count, new_count),
                "%d free sectors before the data of each member, so that a power cut does no harm; "
                "%s has %s"
                % (needed, member.device, "none that mdadm tells of" if free is None else free),
            )


def _unpin(host, record):
    """Have the array's ARRAY line say nothing that will not hold any more: how many members it has,
    or which.
    """
    configuration = md_state.read_configuration(host)
    if configuration.pins_members(record.uuid):
        configuration.set_array(record.device, record.uuid, md_state.spare_count(record))
        host.replace(md_state.CONFIGURATION, configuration.text())


def _note_room(host, session, record):
    """Have the SR on an array be offered the room of one that was made bigger by hand (mdadm --grow
    --size=max): what it has not taken of it yet.
    """
    if record.sr is None or store.read(host, store.GROWING, record.uuid) is not None:
        return
    sr = session.xenapi.SR.get_record(session.xenapi.SR.get_by_uuid(record.sr.uuid))
    size_bytes, own_bytes = int(sr["physical_size"]), ROOM_MIN_BYTES
    if _kind(sr["type"]).has_file_system:
        own_bytes += record.size_bytes // FILE_SYSTEM_PART
    if 0 < size_bytes < record.size_bytes - own_bytes:
        store.write(
            host,
            store.GROWING,
            {"sr": record.sr.uuid, "size_bytes": size_bytes, "tries": 0},
            record.uuid,
        )


def _offer(host, session, record, scan):
    """Have the SR on an array take its new room. Return whether it has, None if there is nothing to
    take.

    The storage manager's scan looks for a larger device and resizes the physical volume (LVHDSR's
    _expand_size), from 100 MiB on.
    """
    note = store.read(host, store.GROWING, record.uuid)
    if note is None:
        return None
    if record.sync:
        return False
    try:
        sr = session.xenapi.SR.get_by_uuid(note["sr"])
    except XenAPI.Failure as error:
        if error.details[0] != "UUID_INVALID":
            raise
        store.remove(host, store.GROWING, record.uuid)  # the SR is gone
        return None
    if not _has_taken(session, sr, note):
        store.write(host, store.GROWING, dict(note, tries=note["tries"] + 1), record.uuid)
        scan(sr)
    if not _has_taken(session, sr, note):
        return False
    host.log(
        "the storage repository %s has the new capacity of %s" % (note["sr"], record.device),
        syslog.LOG_NOTICE,
    )
    store.remove(host, store.GROWING, record.uuid)
    return True


def _kind(name):
    """Return the SrType of a name; one that is not known here may have a file system."""
    return sr_types.TYPES.get(name) or sr_types.SrType(None, False, True, False, None)


def _has_taken(session, sr, note):
    return int(session.xenapi.SR.get_physical_size(sr)) > note["size_bytes"]


def _next(host, session, record, seen):
    if record.sync:
        return "list_arrays shows how far it is." + (
            " Then the storage repository is enlarged." if seen is False else ""
        )
    if seen:
        return "The storage repository has the new capacity."
    if seen is None:
        return "Nothing needs to be done: no storage repository waits for more capacity."
    uuid = record.sr.uuid if record.sr else store.read(host, store.GROWING, record.uuid)["sr"]
    kind = _kind(session.xenapi.SR.get_type(session.xenapi.SR.get_by_uuid(uuid)))
    by_hand = kind.by_hand or sr_types.TYPES[sr_types.DEFAULT].by_hand
    steps = by_hand % {"device": record.by_id, "uuid": uuid}
    if host.names(lvm.MASTER):
        steps = "`export LVM_SYSTEM_DIR=%s`, %s" % (lvm.MASTER, steps)
    return (
        "The storage repository was not enlarged automatically: %s, then `xe sr-scan "
        "uuid=%s`." % (steps, uuid)
    )
