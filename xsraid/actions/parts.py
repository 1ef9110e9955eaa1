"""Which members each array runs from, noted for the next boot: one that had failed and stayed in
the host must not be started alone while the others are only late.
"""

from __future__ import absolute_import

import collections
import syslog

from xsraid.disks import identity, inventory
from xsraid.errors import CommandFailed
from xsraid.host import store, sysfs
from xsraid.md import examine, superblocks
from xsraid.md import state as md_state
from xsraid.states import Health, MemberState
from xsraid.text import md_uuid

# A file for which xsraid-late.path waits: as if a member had come.
TRIGGER = "/run/xsraid-late"

# What an array ran from when it was last seen running. members: what `member_key` gives; blocks:
# their Superblocks as they were then; names: words that lead to these members.
Part = collections.namedtuple("Part", "members blocks names")


def noted(host):
    """Return {uuid: Part} of the arrays that have been seen running."""
    parts = {}
    for uuid, facts in (store.read(host, store.RAN_FROM) or {}).items():
        blocks = [superblocks.unpacked(values) for values in facts["blocks"]]
        parts[uuid] = Part(facts["members"], blocks, facts["names"])
    return parts


def have_noted(host, records):
    """Have the note brought up to date in the background if an array runs from other members than
    it says. records: of `state.read_arrays`. Raises CommandFailed.
    """
    parts = noted(host)
    for record in _running(records):
        part = parts.get(record.uuid)
        if part is None or not part.blocks or part.members != _members(host, record):
            host.replace(TRIGGER, "")
            return


def note(host, records):
    """Note what arrays run from. records: of `state.read_arrays`. Raises CommandFailed.

    What is noted of one that does not run, or that lacks a member and has not been written to since
    it was started, or that has a member that cannot be read, stays; that of one that is no array of
    this host any more goes.
    """
    known, links = store.read(host, store.RAN_FROM) or {}, _links(host)
    found = {record.uuid: known[record.uuid] for record in records if record.uuid in known}
    for record in _running(records):
        is_whole = not md_state.lacks_member(record)
        if record.uuid in found and not is_whole and md_state.is_untouched(host, record):
            continue
        read, unread = examine.superblocks_of(host, md_state.active_members(record))
        blocks = list(filter(None, read.values()))
        if blocks and not unread:
            found[record.uuid] = {
                "members": _members(host, record),
                "blocks": [superblocks.packed(block) for block in blocks],
                "names": examine.lasting_names(host, blocks),
                "slots": _slots(record, found.get(record.uuid, {}).get("slots", {}), links),
            }
    if found != known:
        store.write(host, store.RAN_FROM, found)


def note_members(host, record):
    """Note who is in which slot of an array that has just been made or adopted; what it runs from
    is noted when it is looked at first. That it cannot be noted is logged.
    """
    known = store.read(host, store.RAN_FROM) or {}
    facts = {"members": [], "blocks": [], "names": "", "slots": {}}
    facts.update(known.get(record.uuid, {}))
    facts["slots"] = _slots(record, facts["slots"], _links(host))
    try:
        store.write(host, store.RAN_FROM, dict(known, **{str(record.uuid): facts}))
    except CommandFailed as error:
        host.log(str(error), syslog.LOG_WARNING)


def _running(records):
    return [
        record
        for record in records
        if record.configured and record.uuid and record.health not in Health.NOT_THERE
    ]


def _members(host, record):
    return sorted(member_key(host, device) for device in md_state.active_members(record))


def _links(host):
    """Return {node: by-id link that leads to that disk and to no other, or None} of all disks."""
    return {disk.device: disk.by_id for disk in inventory.inventory(host)}


def _slots(record, before, links):
    """Return what is known of the member of each slot: what is gone can no longer be asked."""
    slots = dict(before)
    for member in record.members:
        if member.device and member.slot is not None and member.state == MemberState.ACTIVE:
            slots[str(member.slot)] = {
                "device": member.device,
                "serial": member.serial,
                "by_id": links.get(member.device),
            }
    return slots


def member_uuid(host, device):
    """Return the uuid of a member itself, as udev has it from its superblock, None if it has none:
    a second path to a member has the same one.
    """
    if not device:
        return None
    return sysfs.udev_properties(host, host.device_number(device)).get("ID_FS_UUID_SUB")


def member_key(host, device):
    """Return what a member is known by in another boot, too: its own uuid, or, with version 0.90,
    which has none, what udev calls its disk.
    """
    links = sysfs.udev_properties(host, host.device_number(device))["links"]
    lasting = [link for link in links if link.startswith(identity.BY_ID)]
    return member_uuid(host, device) or min(lasting or [device])


def is_outlived(host, part, blocks):
    """Return whether an array went on without all of these members, with others that are not among
    them. part: of `noted`, None if nothing is; blocks: their Superblocks.
    """
    if part is None:
        return False
    if any(member_key(host, block.device) in part.members for block in blocks):
        return False
    return superblocks.is_outlived(blocks, part.blocks)


def why_not_alone(part, uuid, node, blocks, names):
    """Return why members of an array are not started: sentences. part: of `noted`; node: what its
    ARRAY line gives it, None if it gives none; names: what to call these members.
    """
    return (
        "Only members that it had gone on without are there: %s (%d events). It last ran from %s "
        "(%d events). Connect that again: it then starts by itself. If that is lost, `mdadm "
        "--assemble --run %s %s` goes on with what is there, without all that was written since."
        % (
            names,
            superblocks.event_count(blocks),
            part.names,
            superblocks.event_count(part.blocks),
            node or md_state.BY_ID + md_uuid(uuid),
            names,
        )
    )
