"""What can be made of disks, pure: which may be used, and the levels with their capacity and the
failures they survive.
"""

from __future__ import absolute_import

import collections

from xsraid.md.levels import LEVELS, capacity_bytes, redundancy
from xsraid_cli import formats

# level: a key of LEVELS; size_bytes: its capacity, superblocks left aside; survives: failures of
# any disks, in the worst case.
Proposal = collections.namedtuple("Proposal", "level size_bytes survives")
RAID10_LAYOUT = 2 | 1 << 8  # two near copies, as mdadm makes them


def usable(disks):
    """Return the disk records that may be used, those with nothing on them first."""
    found = [disk for disk in disks if not disk.get("refusals")]
    return sorted(found, key=lambda disk: bool(disk.get("stale")))


def named(disks, text):
    """Return (disk records, names that are none of them) for names as people type them, with blanks
    or commas between them, each once.
    """
    chosen, unknown = [], []
    for name in text.replace(",", " ").split():
        found = [disk for disk in disks if name in formats.disk_names(disk)]
        unknown += [] if found else [name]
        chosen += [disk for disk in found if disk not in chosen]
    return chosen, unknown


def levels(disks):
    """Return the Proposals for disk records, in the order of LEVELS; none where a level needs more
    disks.
    """
    count = len(disks)
    smallest_bytes = min(disk["size_bytes"] for disk in disks)
    return [
        Proposal(
            name,
            capacity_bytes(name, smallest_bytes, count),
            redundancy(name, count, (), RAID10_LAYOUT),
        )
        for name, level in LEVELS.items()
        if count >= level.members_min
    ]


def best(proposals, count):
    """Return the Proposal for those who do not know: two disks mirror each other, from four on
    raid10, three are raid5.
    """
    wanted = {2: "raid1", 3: "raid5"}.get(count, "raid10")
    return next(proposal for proposal in proposals if proposal.level == wanted)
