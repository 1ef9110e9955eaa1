"""Which part of an array is its data, where parts of it ran apart: its members' superblocks
compared. Nothing here changes a thing.

md writes into the superblock of each member how many changes of the array's state it has seen
(events), and which slots had a member in sync at the last of them. What went on alone counts on,
and says that the others are missing (md(4), and md_update_sb in the kernel).
"""

from __future__ import absolute_import

import itertools
import time

from xsraid.md.mdadm import UPDATED, Superblock

SAME = "as fresh"  # md itself would start them together
OLDER = "older"  # the others know that they went on without it, or it lacks changes that they have
SPARE = "no data"
# Such as a member that has been replaced since.
ASIDE = "older, and ran without some of those that run now"
NEWER = "newer"  # it went on without those others
SPLIT = "split"  # both went on without the other: neither has all that was written
UNKNOWN = "not known"
CONFLICTS = (NEWER, SPLIT)


def compare(ours, other):
    """Return what a member is to some others of its array: SAME, OLDER, SPARE, ASIDE, NEWER, SPLIT
    or UNKNOWN.

    ours: the Superblocks of members that run together, or would; other: the Superblock of one that
    does not.
    """
    ours = [block for block in ours if block.slot is not None]
    if other.slot is None:
        return SPARE
    if not ours or any(block.active is None for block in ours + [other]):
        return UNKNOWN
    best = max(ours, key=lambda block: block.events)
    left_out = [block for block in ours if block.slot not in other.active]
    was_left_out = other.slot not in best.active
    if left_out and len(left_out) < len(ours) and other.events <= best.events:
        return ASIDE
    if left_out:
        return SPLIT if was_left_out else NEWER
    return _compare_counts(best, other, was_left_out)


def _compare_counts(best, other, was_left_out):
    """Compare with the freshest of the others one that believes that all of them are there. md
    takes what is one event apart for a power cut.
    """
    if other.events > best.events + 1:
        return NEWER
    if was_left_out or other.events < best.events - 1:
        return OLDER
    is_apart = other.events == best.events and other.updated != best.updated
    return SPLIT if is_apart else SAME


def compare_since(ours, before, other, booted):
    """Return what `compare` does; of a member that none of this boot's writes have reached, against
    what the others were before they ran.

    What runs counts on, and so passes one that was in use later with another disk in the place of
    what runs now: to that one all seem to be there.
    before: the Superblocks of the others as they were before they ran, [] if that is not known;
    booted: when this boot began, seconds since 1970.
    """
    word = compare(ours, other)
    if before and word in (SAME, OLDER, ASIDE) and _was_written_before(other, booted):
        earlier = compare(before, other)
        return earlier if earlier in CONFLICTS else word
    return word


def _was_written_before(block, seconds):
    """Return whether a superblock was last written before a boot that began in that second; mdadm
    shows the local time, in whole seconds, too.
    """
    try:
        return time.mktime(time.strptime(block.updated, UPDATED)) <= seconds
    except ValueError:
        return False


def event_count(blocks):
    """Return the highest event count of Superblocks."""
    return max(block.events for block in blocks)


def freshest(blocks):
    """Return those of an array's Superblocks that are one part with the freshest of them, its
    spares included.
    """
    data = [block for block in blocks if block.slot is not None]
    if not data:
        return list(blocks)
    best = max(data, key=lambda block: block.events)
    return [block for block in blocks if block is best or compare([best], block) in (SAME, SPARE)]


def is_split(blocks):
    """Return whether some of an array's Superblocks have been written to without the freshest one,
    and the other way round.
    """
    data = [block for block in blocks if block.slot is not None]
    if not data:
        return False
    best = max(data, key=lambda block: block.events)
    return any(compare([best], block) == SPLIT for block in data if block is not best)


def is_outlived(blocks, ran):
    """Return whether an array went on without members of it.

    blocks: their Superblocks; ran: of those that it ran from later, as they were then. What has
    been taken in again after that counts more events.
    """
    data = [block for block in blocks if block.slot is not None]
    if not data or not ran:
        return False
    best = max(data, key=lambda block: block.events)
    last = max(ran, key=lambda block: block.events)
    return last.events > best.events and compare([best], last) in CONFLICTS


def were_apart(blocks):
    """Return whether one of some members that run together had gone on without another of them.

    A member that says so without having seen more than the other was cut off from power while that
    was taken in.
    """
    data = [block for block in blocks if block.slot is not None and block.active is not None]
    for block, other in itertools.permutations(data, 2):
        if other.slot not in block.active and block.events >= other.events:
            return True
    return False


def packed(block):
    """Return a Superblock, or None, as JSON can hold it."""
    return block and list(block[:-1]) + [None if block.active is None else sorted(block.active)]


def unpacked(values):
    """Return the Superblock that was packed."""
    return values and Superblock(
        *(values[:-1] + [None if values[-1] is None else frozenset(values[-1])])
    )
