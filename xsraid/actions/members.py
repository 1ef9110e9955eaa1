"""What is done to the members of an array: the verbs `fail_disk`, `remove_disk`, `add_disk` and
`replace_disk`. None gives up the last redundancy.
"""

from __future__ import absolute_import

import collections
import syslog
import time

from xsraid.actions import parts, rollback
from xsraid.alerts import rules, spool
from xsraid.disks import claim, inventory, refusals, snapshot
from xsraid.errors import (
    ArrayInUse,
    BadArgument,
    CommandFailed,
    DiskInUse,
    StaleData,
    Timeout,
    UnknownArray,
    UnknownDisk,
    WouldLoseData,
)
from xsraid.host import clock, config, store, sysfs
from xsraid.md import mdadm, resync, superblocks
from xsraid.md import state as md_state
from xsraid.md.levels import is_known, is_redundant, lacks_journal
from xsraid.states import Health, MemberState, SyncAction
from xsraid.text import same_uuid

SETTLE_S = 10
LOOK_S = 0.1
TAKES_DISKS = "takes disks"
REPLACE_ADVICE = "replace_disk puts another disk in its place first"


def fail_disk(host, session, array, disk, confirm):
    """Make a member faulty, as mdadm's --set-faulty does: the drill. Return {"array": array record,
    "next": what to do next}.

    disk: a path, by-id link or serial number; confirm: the member's serial number, its node where
    it has none. Raises WouldLoseData where no redundancy is left, BadArgument, UnknownArray,
    UnknownDisk, Busy, CommandFailed, Timeout.
    """
    config.load(host)
    with rollback.changing(host, "fail_disk", session):
        record = _redundant(host, array)
        member = _member(host, record, disk)
        wanted = member.serial or member.device
        if confirm != wanted:
            raise BadArgument(
                "confirm",
                "must be the serial number of %s: confirm=%s" % (member.device, wanted),
            )
        if member.state == MemberState.JOURNAL:
            raise WouldLoseData(
                record.device,
                "can write nothing without its journal %s" % member.device,
                "Nothing was changed; %s." % REPLACE_ADVICE,
            )
        if member.state == MemberState.ACTIVE:
            _refuse_without_redundancy(host, record, member)
        if member.state != MemberState.FAULTY:
            mdadm.set_faulty(host, record.device, member.device)
            wait_until(
                host, record, lambda now: _state(now, member.device) in (MemberState.FAULTY, None)
            )
            host.log(
                "made %s of %s faulty, as asked" % (member.device, record.device),
                syslog.LOG_NOTICE,
            )
        return _reply(
            host,
            session,
            record,
            "remove_disk takes %s out of the array; add_disk then puts it, or another disk, in."
            % member.device,
        )


def remove_disk(host, session, array, disk, wipe_old):
    """Take a faulty member or a spare out of an array. Return {"array": array record, "next": what
    to do next}.

    wipe_old: clear its superblock as well, so that it is free for another use; also that of a disk
    that was a member before. Raises WouldLoseData and BadArgument for a member that the array uses,
    also for a former one that may hold what the array lacks, DiskInUse, UnknownArray, UnknownDisk,
    Busy, CommandFailed, Timeout.
    """
    config.load(host)
    with rollback.changing(host, "remove_disk", session):
        record = _redundant(host, array)
        md_state.refuse_firmware(record, "gives up disks")
        if wipe_old and find(host, record, disk) is None:
            former = _free_former(host, session, record, disk)
            if former is not None:
                return _reply(
                    host, session, record, "%s is free for another use now." % former.device
                )
        member = _member(host, record, disk)
        if member.state not in (MemberState.FAULTY, MemberState.SPARE):
            _refuse_without_redundancy(host, record, member)
            raise BadArgument(
                "disk",
                "%s is in use by the array (%s): %s, or fail_disk makes it faulty"
                % (member.device, member.state, REPLACE_ADVICE),
            )
        _take_out(host, record, member.device)
        count_spares(host, record)
        if wipe_old and host.device_number(member.device) is not None:
            rollback.clear(host, member.device, record.uuid)
        return _reply(host, session, record, _what_is_missing(record, "%s is out." % member.device))


def add_disk(host, session, array, disk, wipe, allow_removable):
    """Put a disk into an array: in the place of a missing member, which is then rebuilt, else as a
    spare. Return {"array", "next"}.

    A former member that comes back is taken in again, with what has changed meanwhile, where the
    array's bitmap knows it. To an array that has lost its journal it is the new one. To an array
    whose members are partitions a partition can be added as well. wipe: erase existing signatures
    on the disk; allow_removable: take one that the kernel calls removable. Raises DiskInUse,
    StaleData, UnknownDisk, UnknownArray, BadArgument, Busy, CommandFailed, Timeout.
    """
    config.load(host)
    with rollback.changing(host, "add_disk", session):
        record = _redundant(host, array, may_lack_journal=True)
        md_state.refuse_firmware(record, TAKES_DISKS)
        (new,) = choose(host, session, record, [disk], "disk", wipe, allow_removable)
        if lacks_journal(record.consistency_policy, record.members):
            _put_in_journal(host, record, None, new)
            return _reply(
                host,
                session,
                record,
                "%s is the journal now, the array can be written to again." % new.device,
            )
        put_in(host, record, new)
        # Else it is a spare for a moment only.
        if record.health not in (Health.DEGRADED, Health.REBUILDING, Health.FAILED):
            count_spares(host, record)
        return _reply(
            host,
            session,
            record,
            "list_arrays shows how far a rebuild is; the disk is a spare if no member was missing.",
        )


def replace_disk(host, session, array, disk, new_disk, wipe, allow_removable):
    """Put a new disk in the place of a member. Return {"array", "next"}.

    While the old one still answers, the new one is filled from it before it is given up (mdadm's
    --replace), for which md must be at nothing else; where it is faulty, it is taken out and the
    new one rebuilt. A journal is replaced only while nobody uses the array and nothing is under way
    on it. The new one may be a spare of the array, as the call leaves it that is killed in the
    middle. wipe: erase what is left on the new disk; allow_removable: take one that the kernel
    calls removable. Raises what `add_disk` does, and ArrayInUse.
    """
    config.load(host)
    with rollback.changing(host, "replace_disk", session):
        record = _redundant(host, array)
        md_state.refuse_firmware(record, TAKES_DISKS)
        old = _member(host, record, disk)
        if old.state not in (MemberState.ACTIVE, MemberState.FAULTY, MemberState.JOURNAL):
            raise BadArgument(
                "disk",
                "%s cannot be replaced now: it is %s" % (old.device, old.state),
            )
        if old.being_replaced:
            raise BadArgument(
                "disk",
                "%s is being replaced already: list_arrays shows how far it is" % old.device,
            )
        if "journal" in (
            sysfs.attribute(
                host,
                sysfs.name_of(record.device),
                "md/dev-%s/state" % sysfs.name_of(old.device),
            )
            or ""
        ):
            _refuse_unfinished(host, record)
            (new,) = choose(host, session, record, [new_disk], "new_disk", wipe, allow_removable)
            _put_in_journal(host, record, old, new)
            return _reply(
                host,
                session,
                record,
                "%s is the journal now, %s is out." % (new.device, old.device),
            )
        if old.state == MemberState.ACTIVE and any(
            member.state == MemberState.MISSING for member in record.members
        ):
            raise BadArgument(
                "disk",
                "%s lacks a member, whose place a new disk would take: use add_disk first"
                % record.device,
            )
        if old.state == MemberState.ACTIVE:
            _refuse_unfinished(host, record)
        spare = _spare(host, record, new_disk)
        new = (
            None
            if spare
            else choose(host, session, record, [new_disk], "new_disk", wipe, allow_removable)[0]
        )
        new_device = spare or new.device
        if old.state == MemberState.FAULTY:
            _take_out(host, record, old.device)
        if new:
            put_in(host, record, new)
        if old.state == MemberState.FAULTY:
            return _reply(
                host,
                session,
                record,
                "%s is out and may be pulled; %s is being rebuilt." % (old.device, new_device),
            )
        try:
            resync.wake(host, record)
            resync.thaw(host, record)
            mdadm.replace(host, record.device, old.device, new_device)
        except (CommandFailed, Timeout):
            _keep_in_place(host, record, old.device)
            resync.thaw(host, record)
            if new:
                take_out_again(host, record, new_device)
            raise
        _note_replacing(host, record, old)
        return _reply(
            host,
            session,
            record,
            "%s serves until %s is filled, list_arrays shows how far it is; then: remove_disk "
            "array=%s disk=%s wipe_old=true"
            % (old.device, new_device, record.name, _lasting_name(host, old)),
        )


# device: node; is_returning: whether it was a member of this very array; wipes: argument lists;
# disk: its record.
New = collections.namedtuple("New", "device is_returning wipes disk")


def _refuse_without_redundancy(host, record, member):
    """Raise WouldLoseData where an array cannot do without one more member for certain."""
    if record.redundancy_left > 0:
        return
    if md_state.is_parity_being_made(host, record):
        raise WouldLoseData(
            record.device,
            "cannot do without %s until its resync ends, as its parity may be wrong"
            % member.device,
            "Nothing was changed; list_arrays shows how far it is.",
        )
    raise WouldLoseData(
        record.device,
        "has no redundancy left to do without %s" % member.device,
        "Nothing was changed; %s." % REPLACE_ADVICE,
    )


def _redundant(host, name, may_lack_journal=False):
    """Return the record of an array whose members can be changed. Raises UnknownArray, BadArgument.

    may_lack_journal: one that was started without its journal, which md keeps read-only until it
    has another, is none to refuse.
    """
    record = md_state.find_array(host, name)
    if record.health in Health.NOT_RUNNING + (Health.CONTAINER,):
        raise UnknownArray(
            name,
            "this array is %s, its members cannot be changed" % md_state.state_in_words(record),
        )
    if not (may_lack_journal and lacks_journal(record.consistency_policy, record.members)):
        refuse_read_only(record)
    if not is_redundant(record.level):
        why = "which has no redundancy" if is_known(record.level) else "a level that is not known"
        raise BadArgument(
            "array",
            "%s is %s, %s: its members stay as they are" % (record.device, record.level, why),
        )
    return record


def refuse_read_only(record):
    """Raise BadArgument for an array that is read-only: nothing about it can be changed, and
    nothing checked.
    """
    if record.read_only:
        raise BadArgument(
            "array",
            "%s is read-only: `mdadm --readwrite %s`, then repeat the call"
            % (record.device, record.device),
        )


def refuse_under_way(host, record, advice="Let that end first."):
    """Raise ArrayInUse for an array on which a resync, recovery, check or reshape is under way;
    what waits for its first write goes on.
    """
    if record.sync:
        resync.wake(host, record)  # what is pending would never end
        raise ArrayInUse(record.device, "its own %s" % record.sync.action, advice)


def _refuse_unfinished(host, record):
    """Raise ArrayInUse for an array on which anything is under way, with how to end it."""
    is_check = record.sync is not None and record.sync.action == SyncAction.CHECK
    advice = "Let that end first: list_arrays shows how far it is."
    if is_check:
        advice = "check_array action=stop ends that."
    refuse_under_way(host, record, advice)


def _keep_in_place(host, record, device):
    """Have md look for no replacement of a member any more: mdadm asks for one before it names the
    disk for it, and a spare would be taken.
    """
    resync.try_to_write(
        host,
        sysfs.name_of(record.device),
        "md/dev-%s/state" % sysfs.name_of(device),
        "-want_replacement",
        "a replacement of %s is still looked for" % device,
    )


def take_out_again(host, record, device):
    """Take a disk out again after a failure, which is the one to report."""
    try:
        mdadm.remove(host, record.device, device)
    except Timeout as error:
        host.log(
            "%s was not taken out of %s again: %s" % (device, record.device, error),
            syslog.LOG_WARNING,
        )
    resync.thaw(host, record)


def find(host, record, name, argument="disk"):
    """Return the member record that a caller means, by its own name or its disk's, None if it is no
    member.

    Raises BadArgument for a serial number or link that several disks have.
    """
    found = inventory.inventory(host)
    try:
        (disk,) = inventory.resolve(host, found, [name], argument, inventory.PARTITION)
    # One that is gone, too, is known to the array, its serial number and link to those who sent the
    # alerts.
    except UnknownDisk:
        seen = (spool.memory(host).get(record.uuid) or {}).get("members", [])
        called = [name, "/dev/" + name]
        called += [known["device"] for known in seen if name in (known["serial"], known["by_id"])]
        fitting = [
            member
            for member in record.members
            if member.device in called or member.device and member.serial == name
        ]
        inventory.refuse_several(name, fitting, argument)
        return fitting[0] if fitting else None
    here = [disk.device] + [
        sysfs.node(part) for part in sysfs.partitions(host, sysfs.name_of(disk.device))
    ]
    fitting = [member for member in record.members if member.device in here]
    inventory.refuse_several(name, fitting, argument)
    return fitting[0] if fitting else None


def _lasting_name(host, member):
    """Return what to call a member in a command: its serial number, which holds after a reboot,
    where it is no other disk's as well.
    """
    serials = [disk.serial for disk in inventory.inventory(host)]
    return member.serial if member.serial and serials.count(member.serial) < 2 else member.device


def choose(host, session, record, names, argument, wipe, allow_removable=False):
    """Return the New disks that a caller means for an array, judged: partitions, too, where the
    array has such.

    Raises DiskInUse, StaleData, UnknownDisk, BadArgument.
    """
    whole = [disk.device for disk in inventory.inventory(host)]
    has_partitions = any(member.device not in whole for member in record.members if member.device)
    chosen = inventory.resolve(
        host,
        inventory.inventory(host),
        names,
        argument,
        inventory.PARTITION if has_partitions else None,
    )
    for disk in chosen:
        if disk.device in [member.device for member in record.members]:
            raise DiskInUse(
                disk.device, "RAID_MEMBER", "it is a member of %s already" % record.device
            )
        _refuse_small(host, record, disk)
    returning = [disk.device for disk in chosen if _is_returning(host, record, disk)]
    # Where the array's own sectors are not of 512 bytes, a new member's need not be, either.
    allow_4k = refusals.is_other_sector(md_state.sector_bytes(host, record))
    snapshot.judge(host, session, chosen, allow_4k, allow_removable)
    for disk in chosen:
        if disk.device in returning:
            disk.refusals = [
                refusal for refusal in disk.refusals if refusal["reason"] != "RAID_MEMBER"
            ]
    claim.refuse_used(chosen, wipe)
    apart = _apart(host, record, returning)
    if apart and not wipe:
        raise StaleData(apart)
    clearing = {
        device: [mdadm.zero_superblock_command(device), ["wipefs", "-a", device]]
        for device, _ in apart
    }
    return [
        New(
            disk.device,
            disk.device in returning and disk.device not in clearing,
            snapshot.wipe_commands(host, [disk]) + clearing.get(disk.device, []),
            disk,
        )
        for disk in chosen
    ]


def _member(host, record, name):
    """Return the member record that a caller means. Raises UnknownDisk."""
    member = find(host, record, name)
    if member is None:
        there = ", ".join(member.device for member in record.members if member.device)
        raise UnknownDisk(
            name,
            "it is no member of %s, which has %s; add_disk fills the place of a member "
            "that is already gone" % (record.device, there),
        )
    return member


def _spare(host, record, name):
    """Return the node of the array's spare that a caller means, None for what is none."""
    member = find(host, record, name, "new_disk")
    return member.device if member and member.state == MemberState.SPARE else None


def _is_returning(host, record, disk):
    """Return whether a disk has the superblock of this array, of which it is no member now. Raises
    DiskInUse for one with that of a member, to which it may be another path.
    """
    is_returning = _has_superblock(host, record, disk)
    mine = parts.member_key(host, disk.device)
    for member in record.members if is_returning else []:
        if member.device and parts.member_key(host, member.device) == mine:
            raise DiskInUse(
                disk.device,
                "MULTIPATH",
                "it has the superblock of the member %s: it is a copy of that, or another path to "
                "it" % member.device,
            )
    return is_returning


def _has_superblock(host, record, disk):
    name, whole = (
        sysfs.name_of(disk.device),
        sysfs.name_of(disk.whole_disk or disk.device),
    )
    properties = sysfs.udev_properties(host, host.device_number(disk.device))
    return (
        not sysfs.holders(host, whole, name if whole != name else None)
        and properties.get("ID_FS_TYPE") == md_state.MEMBER_TYPE
        and same_uuid(properties.get("ID_FS_UUID", ""), record.uuid)
    )


def _apart(host, record, returning):
    """Return [(device, what is on it)] of former members that may hold what those that run now do
    not. Raises DiskInUse for one that cannot be read.

    mdadm would take it back as if it were older, and write over that.
    """
    if not returning:
        return []
    read = [_examined(host, device) for device in md_state.active_members(record)]
    ours = [block for block in read if block]
    before = (store.read(host, store.BOOT) or {}).get("before", {}).get(record.uuid, [])
    apart = []
    for device in returning:
        block = _examined(host, device)
        if block is None:
            raise DiskInUse(
                device,
                "UNREADABLE",
                "it is a former member of %s, and whether it is fresher than what runs cannot be "
                "read" % record.device,
            )
        word = superblocks.compare_since(
            ours, list(map(superblocks.unpacked, before)), block, sysfs.boot_time(host)
        )
        if word not in (superblocks.SAME, superblocks.OLDER, superblocks.SPARE):
            count = max([one.events for one in ours] or [0])
            apart.append(
                (
                    device,
                    "a part of %s that is %s: it may hold what the members that run now lack (it "
                    "counts %d events, they %d)" % (record.device, word, block.events, count),
                )
            )
    return apart


def _examined(host, device):
    """Return the Superblock on a device, None if that cannot be read."""
    try:
        return mdadm.examine(host, device)
    except (CommandFailed, Timeout):
        return None


def _refuse_small(host, record, disk):
    """Refuse a disk that has no room for what each member holds: data of md/component_size KiB,
    after the least offset of the members.
    """
    name = sysfs.name_of(record.device)
    entries = [entry for entry in host.names("/sys/block/%s/md" % name) if entry.startswith("dev-")]
    offsets = [sysfs.number(host, name, "md/%s/offset" % entry) for entry in entries]
    # None: that member is just being removed.
    least = min([offset for offset in offsets if offset is not None] or [0])
    needed_bytes = (
        sysfs.number(host, name, "md/component_size") or 0
    ) * 1024 + least * sysfs.SECTOR_BYTES
    if disk.size_bytes < needed_bytes:
        raise DiskInUse(
            disk.device,
            "TOO_SMALL",
            "it has %d bytes, %d too few for %s"
            % (disk.size_bytes, needed_bytes - disk.size_bytes, record.device),
        )


def _note_replacing(host, record, old):
    """Have it known that the member will be made faulty in the end, by md and on purpose: a small
    one may be before the arrays are looked at.
    """
    try:
        spool.add_event(host, rules.REPLACING, record.device, time.time(), old.device)
    except CommandFailed as error:
        host.log(str(error), syslog.LOG_WARNING)  # it goes on all the same


def put_in(host, record, new):
    """Put a New disk into an array, as a spare for now. Raises DiskInUse, StaleData, UnknownDisk,
    CommandFailed, Timeout.
    """
    claim.claim(host, [new.disk])
    claim.wipe(host, new.wipes, [new.disk])
    try:
        resync.wake(host, record)
        # Mdadm leaves it frozen where it was before, and nothing would be rebuilt.
        resync.thaw(host, record)
        mdadm.add(host, record.device, new.device)
    except (CommandFailed, Timeout):
        resync.thaw(host, record)
        raise
    wait_until(host, record, lambda now: _state(now, new.device) is not None)
    host.log(
        "put %s into %s%s"
        % (
            new.device,
            record.device,
            ", of which it was a member before" if new.is_returning else "",
        ),
        syslog.LOG_NOTICE,
    )


def _free_former(host, session, record, name):
    """Clear the superblock of a disk that was a member of an array; return its record, None for a
    disk that was none. Raises WouldLoseData, DiskInUse, UnknownDisk, BadArgument.
    """
    found = inventory.inventory(host)
    (disk,) = inventory.resolve(host, found, [name], "disk", inventory.PARTITION)
    if not _is_returning(host, record, disk):
        return None
    snapshot.judge(host, session, [disk], allow_4k=True, allow_removable=True)
    disk.refusals = [other for other in disk.refusals if other["reason"] != "RAID_MEMBER"]
    claim.refuse_used([disk], wipe=True)
    for device, what in _apart(host, record, [disk.device]):
        raise WouldLoseData(
            device,
            "still carries %s" % what,
            "If nobody needs that: `mdadm --zero-superblock %s`." % device,
        )
    claim.claim(host, [disk])
    rollback.clear(host, disk.device, record.uuid)
    host.log(
        "cleared the superblock of %s, a former member of %s" % (disk.device, record.device),
        syslog.LOG_NOTICE,
    )
    return disk


def _put_in_journal(host, record, old, new):
    """Make a New disk the journal, in the place of the old one if that is a member still.

    md takes one only while it is read-only, which it cannot become while anybody has the array
    open. It is writable again with the new journal.
    """
    try:
        if not record.read_only:
            resync.make_read_only(host, record)
    except CommandFailed as error:
        raise ArrayInUse(
            record.device,
            "whatever has it open (%s)" % error.last_words,
            "Its journal is replaced while nobody uses it: unplug its storage repository (`xe "
            "pbd-unplug`), then repeat the call.",
        )
    try:
        if old is not None:
            mdadm.set_faulty(host, record.device, old.device, may_fail=True)
            _take_out(host, record, old.device)
        claim.claim(host, [new.disk])
        claim.wipe(host, new.wipes, [new.disk])
        mdadm.add_journal(host, record.device, new.device)
    except Exception:
        resync.make_writable(host, record)
        raise
    resync.thaw(host, record)
    wait_until(host, record, lambda now: _state(now, new.device) == MemberState.JOURNAL)
    host.log("made %s the journal of %s" % (new.device, record.device), syslog.LOG_NOTICE)


def _take_out(host, record, device):
    """Remove a member; one whose node has gone is what mdadm calls detached. The kernel may still
    be busy with one that has just failed.
    """
    deadline = clock.monotonic_s() + SETTLE_S
    word = device if host.device_number(device) is not None else None
    while True:
        failure = mdadm.remove(host, record.device, word)
        if _state(md_state.find_array(host, record.uuid), device) is None:
            break
        if clock.monotonic_s() > deadline:
            raise failure
        time.sleep(LOOK_S)
    host.log("took %s out of %s" % (device, record.device), syslog.LOG_NOTICE)


def count_spares(host, record):
    """Have an array's ARRAY line ask for the spares that it has now: mdadm's monitor tells of one
    that is missing.
    """
    record = md_state.find_array(host, record.uuid)
    try:
        configuration = md_state.read_configuration(host)
        if configuration.set_spares(record.uuid, md_state.spare_count(record)):
            host.replace(md_state.CONFIGURATION, configuration.text())
    except (CommandFailed, EnvironmentError) as error:
        host.log("%s: %s" % (md_state.CONFIGURATION, error), syslog.LOG_WARNING)


def wait_until(host, record, is_so):
    """Wait for what mdadm has asked the kernel for to show in sysfs."""
    deadline = clock.monotonic_s() + SETTLE_S
    while not is_so(md_state.find_array(host, record.uuid)):
        if clock.monotonic_s() > deadline:
            raise Timeout("Waiting for %s to change" % record.device, SETTLE_S, "See /proc/mdstat.")
        time.sleep(LOOK_S)


def _state(record, device):
    """Return the state of a member, None when it is none any more."""
    return next((member.state for member in record.members if member.device == device), None)


def _what_is_missing(record, sentence):
    is_whole = record.health not in (Health.DEGRADED, Health.FAILED)
    return sentence + ("" if is_whole else " The array lacks a member: add_disk puts one in.")


def _reply(host, session, record, sentence):
    record = md_state.find_array(host, record.uuid)
    md_state.name_srs(host, session, [record])
    return collections.OrderedDict([("array", record), ("next", sentence)])
