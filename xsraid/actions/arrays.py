"""Creates, adopts and deletes arrays. `md.state` says what they are."""

from __future__ import absolute_import

import collections
import syslog
import time

from xsraid.actions import initrd, parts, planning, rollback
from xsraid.alerts import monitor
from xsraid.disks import claim
from xsraid.errors import BadArgument, CommandFailed, Timeout, UnknownArray
from xsraid.host import clock, config, store, sysfs
from xsraid.host.process import run
from xsraid.md import state as md_state
from xsraid.md.levels import is_known, is_redundant
from xsraid.states import Health, MemberState
from xsraid.text import md_uuid, same_uuid
from xsraid.xapi import objects, srs

SETTLE_S = 20


def create_array(
    host,
    session,
    level,
    devices,
    name,
    spares,
    chunk,
    bitmap,
    consistency_policy,
    journal,
    wipe,
    allow_mixed_sizes,
    allow_4k,
    dry_run,
    allow_removable,
):
    """Create an array, its node /dev/mdN and its line in /etc/mdadm.conf.

    Return {"array": array record, "commands": [what was run], "unused_bytes": what larger disks
    have more than the smallest, "warnings"}.

    level: a key of LEVELS; devices, spares: lists of what `inventory.resolve` takes; chunk: bytes;
    bitmap: internal or none; consistency_policy: ppl, or bitmap for the usual; journal: a disk;
    wipe: erase existing signatures on the disks; allow_mixed_sizes: accept that more than a tenth
    of the capacity stays unused; allow_4k: take disks of 4 KiB sectors; allow_removable: take those
    that the kernel calls removable; dry_run: change nothing, return the commands and "planned":
    True. Raises DiskInUse, StaleData, NotEnoughDisks, UnknownDisk, BadArgument, Unsupported, Busy,
    CommandFailed, Timeout; the disks are then as free as they were. A call that was killed after it
    had made the array can be repeated, too.
    """
    config.load(host)
    planning.check_options(level, devices, spares, chunk, bitmap, consistency_policy, journal)
    planning.refuse_unsupported(host, consistency_policy, journal)
    options = planning.Options(
        level,
        name,
        chunk,
        bitmap or "internal",
        consistency_policy,
        wipe,
        allow_mixed_sizes,
        allow_4k,
        allow_removable,
    )
    if dry_run:
        plan = planning.plan_array(
            host, session, planning.choose(host, devices, spares, journal), options
        )
        reply = _reply(
            planning.planned_record(plan), planning.commands_of(plan), plan.unused_bytes, []
        )
        reply["planned"] = True
        return reply
    with rollback.changing(host, "create_array", session) as lock:
        chosen = planning.choose(host, devices, spares, journal)
        uuid = _made_before(host, planning.request_of(chosen, options))
        if uuid is None:
            plan = planning.plan_array(host, session, chosen, options)
            _carry_out(host, plan)
            uuid = plan.uuid
        array, note = md_state.find_array(host, uuid), store.read(host, store.CREATING, uuid)
        warnings = _watch(host, array) + initrd.rebuild(host)
        # Until the reply is out: as long as the note is there, a repeat of this call counts as
        # such.
        lock.keep()
        host.when_replied(lambda: store.remove(host, store.CREATING, uuid))
        host.when_replied(lambda: parts.note_members(host, array))
        host.when_replied(lock.release)
    return _reply(array, note["commands"], note["unused_bytes"], warnings)


def adopt_array(host, session, array):
    """Take over an array that was made by hand: its line in /etc/mdadm.conf, a tag on its SR, the
    by-id path in that SR's PBD; nothing on its disks.

    Return {"array": array record, "changes": [sentence], "warnings"}. Raises UnknownArray,
    BadArgument, Busy, CommandFailed, and what XAPI raises.
    """
    config.load(host)
    with rollback.changing(host, "adopt_array", session):
        record = md_state.find_array(host, array)
        if record.health in Health.NOT_THERE or record.uuid is None:
            raise UnknownArray(
                array, "this array is %s, so it cannot be adopted" % md_state.state_in_words(record)
            )
        changes = adopt_line(host, record) + _adopt_sr(host, session, record)
        warnings = _watch(host, record) + (initrd.rebuild(host) if changes else [])
        if host.real_path(record.by_id) != record.device:
            warnings.append("udev made no link %s" % record.by_id)
        record = md_state.find_array(host, record.uuid)
        parts.note_members(host, record)
    md_state.name_srs(host, session, [record])
    return collections.OrderedDict(
        [("array", record), ("changes", changes), ("warnings", warnings)]
    )


def delete_array(host, session, array, confirm):
    """Stop an array for good: its line in /etc/mdadm.conf, the superblocks of its members, its
    alerts that still wait. What was on it is lost.

    Return {"deleted": node, "uuid", "disks": nodes whose superblocks were cleared, "warnings"}.
    confirm: the array's name. A repeat of a call that was carried out replies the same, with a
    warning that says so. Raises ArrayInUse while anything is built on it or kept on it,
    BadArgument, UnknownArray, Busy, CommandFailed, Timeout. A call that was cut off is finished by
    the next one that changes anything.
    """
    config.load(host)
    with rollback.changing(host, "delete_array", session):
        try:
            record = md_state.find_array(host, array)
        except UnknownArray:
            reply = _deleted_before(host, array, confirm)
            if reply is None:
                raise
            return reply
        if record.uuid is None:
            raise UnknownArray(
                array, "this array has no uuid by which its superblocks could be told from others"
            )
        md_state.refuse_firmware(record, "is deleted")
        if confirm != record.name:
            raise BadArgument(
                "confirm", "must be the name of %s: confirm=%s" % (record.device, record.name)
            )
        members = [member.device for member in record.members if member.device]
        facts = {"device": record.device, "name": record.name}
        store.write(
            host,
            store.DELETING,
            {"request": {"devices": members}, "array": facts},
            record.uuid,
        )
        cleared = rollback.finish_deletion(host, session, record.uuid, is_asked=True)
        host.log(
            "deleted %s, which was on %s"
            % (record.device, " ".join(cleared) or "no disk that is there"),
            syslog.LOG_NOTICE,
        )
        kept = [
            device
            for device in members
            if device not in cleared and rollback.may_carry(host, device, record.uuid)
        ]
        in_order = [device for device in members if device not in kept]
        in_order += [device for device in cleared if device not in members]
        rollback.note_deleted(host, record.uuid, facts, in_order)
        warnings = (
            _kept_superblocks(record, kept, cleared)
            + _kept_lines(host, record)
            + initrd.rebuild(host)
        )
        return collections.OrderedDict(
            [
                ("deleted", record.device),
                ("uuid", record.uuid),
                ("disks", in_order),
                ("warnings", warnings),
            ]
        )


def _kept_lines(host, record):
    """Return what to do about lines of other files than ours that still name a deleted array."""
    lines = [
        line
        for line in md_state.read_configuration(host).array_lines()
        if line.uuid and same_uuid(line.uuid, record.uuid)
    ]
    return [
        "line %d of %s still names it: take it out by hand" % (line.number, line.path)
        for line in lines
    ]


def _kept_superblocks(record, kept, cleared):
    """Return what to do about members of a deleted array that are away, or whose superblocks could
    not be cleared: kept, nodes. cleared: nodes of those that were.
    """
    away = len([member for member in record.members if member.state == MemberState.MISSING])
    if record.health == Health.MISSING:  # its members are remembered, and some of them may be there
        away -= len(cleared)
    found = [
        "%s could not be cleared: `mdadm --zero-superblock %s` if nobody needs it"
        % (device, device)
        for device in kept
    ]
    if away > 0:
        found.append(
            "%d of its disks are not there and keep their superblocks: clear each with `mdadm "
            "--zero-superblock` when it comes back" % away
        )
    return found


def _deleted_before(host, array, confirm):
    """Return the reply of an earlier call that deleted the array with this node, name or uuid, None
    when there was none or it is not finished.
    """
    unfinished = store.uuids(host, store.DELETING)
    found = [
        (store.read(host, store.DELETED, uuid), md_uuid(uuid))
        for uuid in store.uuids(host, store.DELETED)
        if uuid not in unfinished
    ]
    fitting = [
        (facts["time"], facts, uuid)
        for facts, uuid in found
        if facts
        and confirm == facts["name"]
        and (
            array in (facts["name"], facts["device"], facts["device"][len("/dev/") :])
            or same_uuid(array, uuid)
        )
    ]
    if not fitting:
        return None
    seconds, facts, uuid = max(fitting, key=lambda each: each[0])
    return collections.OrderedDict(
        [
            ("deleted", facts["device"]),
            ("uuid", uuid),
            ("disks", facts["disks"]),
            (
                "warnings",
                [
                    "it was deleted already, at %s; nothing was changed by this call"
                    % md_state.iso_time(seconds)
                ],
            ),
        ]
    )


def _reply(array, commands, unused_bytes, warnings):
    return collections.OrderedDict(
        [
            ("array", array),
            ("commands", commands),
            ("unused_bytes", unused_bytes),
            ("warnings", warnings),
        ]
    )


def adopt_line(host, record):
    """Give an array its ARRAY line unless it has one, under the node that it has today; return what
    was changed.
    """
    configuration = md_state.read_configuration(host)
    if configuration.has_array(record.uuid):
        return []
    for node, uuid in configuration.arrays():
        if uuid and node and host.real_path(node) == record.device:
            raise BadArgument(
                "array",
                "%s has a line that gives %s to another array, %s; remove it if that one is gone "
                "for good" % (md_state.CONFIGURATION, record.device, md_uuid(uuid)),
            )
    line = configuration.set_array(
        record.device,
        record.uuid,
        md_state.spare_count(record),
        instead=md_state.lines_naming(host, record),
    )
    host.replace(md_state.CONFIGURATION, configuration.text())
    return ["%s has the line: %s" % (md_state.CONFIGURATION, line)]


def _adopt_sr(host, session, record):
    """Tag the SR that is on an array and have its PBD name the by-id path, which holds whatever the
    node is; return what was changed.
    """
    found = srs.Finder(host, session).find(record)
    if found is None:
        return []
    changes, sr = [], objects.sr_summary(session, found.sr)
    if found.pbd is not None and srs.mend(host, session, found):
        changes.append("the storage repository %s is found by %s" % (sr.name_label, found.path))
    if session.xenapi.SR.get_other_config(found.sr).get(objects.ARRAY_TAG) != record.uuid:
        objects.set_other_config(session.xenapi.SR, found.sr, objects.ARRAY_TAG, record.uuid)
        changes.append("the storage repository %s is tagged with the array" % sr.name_label)
    return changes


def _watch(host, record):
    """Make sure that mdadm's monitor watches an array; return warnings. The array is there and
    stays there, watched or not.
    """
    if md_state.read_configuration(host).first("MAILADDR") is None:
        return ["nobody is alerted when a disk fails: call configure_alerts"]
    if not is_known(record.level):
        return [
            "%s is %s, a level that is not known: you are alerted when one of its disks is gone"
            % (record.device, record.level)
        ]
    if not is_redundant(record.level):
        return [
            "%s has no redundancy: you are alerted when one of its disks is gone, but nothing is "
            "left by then" % record.device
        ]
    try:
        monitor.ensure_running(host)
    except (CommandFailed, Timeout) as error:
        return ["mdadm's monitor does not run, nobody is alerted: %s" % error.sentence]
    return []


def _made_before(host, request):
    """Return the uuid of the array that an earlier call with the same wish finished without anybody
    getting its reply, None when there is none.

    The notes of all others that were finished are done with: somebody has gone on to a new array.
    One that is still to be taken back stays.
    """
    repeated = None
    for uuid in store.uuids(host, store.CREATING):
        facts = store.read(host, store.CREATING, uuid)
        if facts.get("is_made") and facts.get("request") == request and _is_there(host, uuid):
            repeated = uuid
        elif facts.get("is_made"):
            store.remove(host, store.CREATING, uuid)
    return repeated


def _is_there(host, uuid):
    return any(
        record.uuid and same_uuid(record.uuid, uuid) and record.health != Health.MISSING
        for record in md_state.read_arrays(host)
    )


def _carry_out(host, plan):
    """Do what was planned; on any failure take it back, so that the disks are free and the files as
    they were.
    """
    # First: a full or read-only /etc shows before a disk is touched.
    staged = host.stage(md_state.CONFIGURATION, plan.configuration.text())
    try:
        facts = {
            "node": plan.node,
            "request": plan.request,
            "commands": planning.commands_of(plan),
            "unused_bytes": plan.unused_bytes,
        }
        store.write(host, store.CREATING, facts, plan.uuid)
        try:
            claim.claim(host, plan.chosen)
            claim.wipe(host, plan.wipes, plan.chosen)
            run(host, plan.create)
            _wait_for_udev(host, plan)
            staged.commit()
        except BaseException:
            rollback.try_to_take_back(host, plan.uuid)
            raise
        host.log(
            "created %s, %s, on %s"
            % (plan.node, plan.level, " ".join(disk.device for disk in plan.chosen))
        )
    finally:
        staged.discard()


def _wait_for_udev(host, plan):
    """Wait until udev has made the new array's by-id link and knows its name. Not `udevadm settle`:
    that waits for everything else, too.
    """
    deadline = clock.monotonic_s() + SETTLE_S
    link, name = md_state.BY_ID + plan.uuid, sysfs.name_of(plan.node)
    while host.real_path(link) != plan.node or not sysfs.udev_properties(
        host, sysfs.attribute(host, name, "dev")
    ).get("MD_UUID"):
        if clock.monotonic_s() > deadline:
            raise Timeout(
                "Waiting for udev to make %s" % link, SETTLE_S, "Is systemd-udevd running?"
            )
        time.sleep(0.03)
