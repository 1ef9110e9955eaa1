"""The rules of the RAID levels, pure: how many disks, how much capacity, how much redundancy
(md(4)). No other module lists levels.
"""

from __future__ import absolute_import

import collections

from xsraid.states import MemberState


def _parity(members):
    return lambda count, dead, layout: members - len(dead)


def _copies(count, dead, layout):
    return count - len(dead) - 1


def _raid10(count, dead, layout):
    return min([count] + [len(copies - set(dead)) for copies in _raid10_copies(count, layout)]) - 1


def _for_certain_none(count, dead, layout):
    return 0


# members_min: fewer make no sense or md refuses them; redundant: survives a failure, None if
# that is not known; chunked: has a chunk size; data_members: how many of n members' worth of data
# it holds (raid10: in its usual layout of two near copies); survives: how many further failures, of
# (members it should have, slots without one, layout); parity: how many members' worth of it; grows:
# takes more members for its data.
Level = collections.namedtuple(
    "Level", "number members_min redundant chunked data_members survives parity grows"
)
CONTAINER = "container"  # mdadm's word for what holds the volumes of firmware RAID
LOGGED = ("ppl", "journal")  # consistency policies that close the write hole
LEVELS = collections.OrderedDict(
    [  # those that arrays are made of
        ("raid0", Level(0, 2, False, True, lambda count: count, _parity(0), 0, False)),
        ("raid1", Level(1, 2, True, False, lambda count: 1, _copies, 0, True)),
        ("raid5", Level(5, 3, True, True, lambda count: count - 1, _parity(1), 1, True)),
        ("raid6", Level(6, 4, True, True, lambda count: count - 2, _parity(2), 2, True)),
        ("raid10", Level(10, 2, True, True, lambda count: count / 2.0, _raid10, 0, True)),
    ]
)
KNOWN = dict(  # and those that arrays may have which others made, with mdadm's numbers (mdadm.h)
    LEVELS,
    raid4=Level(4, 2, True, True, lambda count: count - 1, _parity(1), 1, False),
    linear=Level(-1, 1, False, False, lambda count: count, _parity(0), 0, False),
    # Fails on purpose, for tests.
    faulty=Level(-5, 1, False, False, lambda count: 1, _parity(0), 0, False),
    # Its members are paths, maybe all to one disk.
    multipath=Level(-4, 1, None, False, lambda count: 1, _copies, 0, False),
)
UNKNOWN = Level(None, 1, None, False, lambda count: count, _for_certain_none, 0, False)


def level_name(text):
    """Return the key of LEVELS for `10`, `raid10` or `RAID10`, None for what is no level."""
    name = text.lower()
    name = name if name.startswith("raid") else "raid" + name
    return name if name in LEVELS else None


def is_redundant(level):
    """Return whether an array of that level survives a failure. level: as sysfs names it, None for
    an array that has none yet.
    """
    return bool(rule(level).redundant)


def is_known(level):
    """Return whether it is known if an array of that level survives a failure. level: as for
    `is_redundant`.
    """
    return rule(level).redundant is not None


def rule(level):
    """Return the Level of a level that sysfs names, UNKNOWN for one that is not known."""
    return KNOWN.get(level, UNKNOWN)


def lacks_journal(policy, members):
    """Return whether an array has lost its journal, so that md writes nothing to it. policy: sysfs
    md/consistency_policy; members: their records.
    """
    return policy == "journal" and not any(
        member.state == MemberState.JOURNAL for member in members
    )


def capacity_bytes(level, member_bytes, member_count):
    """Return the capacity of an array in bytes, superblocks left aside. level: a key of LEVELS;
    member_bytes: the smallest member.
    """
    return int(member_bytes * LEVELS[level].data_members(member_count))


def redundancy(level, member_count, dead_slots, layout=0):
    """Return how many further failures of any members the array survives for certain; below 0 it
    has failed already.

    level: as sysfs names it (raid10, but also linear, multipath, ...); member_count: active members
    it should have;
    dead_slots: slots without a member in sync; layout: sysfs md/layout, for raid10.
    """
    return rule(level).survives(member_count, dead_slots, layout)


def has_write_hole(level, policy):
    """Return whether the parity of an array may be wrong somewhere while a resync is needed: after
    an unclean stop, or before it was ever made.

    With one member less, chunks that nobody was writing would read as garbage then (md(4), "RAID
    WRITE HOLE"), unless a log or a journal tells what was being written. Copies have no such hole.
    policy: as for `lacks_journal`.
    """
    return bool(rule(level).parity) and policy not in LOGGED


def _raid10_copies(member_count, layout):
    """Return, for each place where raid10 puts a chunk, the set of the slots that hold its copies;
    one slot each where md knows no such layout.

    layout: near copies in bits 0-7, far copies in bits 8-15, how far copies are kept in sets from
    bit 17 on (the kernel's raid10.c, setup_geo and __raid10_find_phys). Where the copies go repeats
    after as many chunks as there are members.
    """
    near, far, sets = layout & 255 or 1, layout >> 8 & 255 or 1, layout >> 17
    set_size = {0: member_count, 1: member_count // far, 2: near * far}.get(sets, 0)
    if not 0 < set_size <= member_count:
        return [{slot} for slot in range(member_count)]
    last_start = (member_count // set_size - 1) * set_size
    places = []
    for chunk in range(member_count):
        slots = set()
        for near_slot in range(chunk * near, chunk * near + near):
            slot = near_slot % member_count
            slots.add(slot)
            for _ in range(far - 1):
                slot = _far_slot(slot, near, member_count, set_size, last_start)
                slots.add(slot)
        places.append(slots)
    return places


def _far_slot(slot, near, member_count, set_size, last_start):
    """Return the slot of the next far copy; the last set takes the members that are left over."""
    start = slot // set_size * set_size
    slot += near
    if member_count % set_size and slot > last_start:
        return last_start + (slot - last_start) % (member_count - last_start)
    return start + slot % set_size
