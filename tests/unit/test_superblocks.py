"""Which part of an array is its data: what `mdadm --examine` shows of members that ran apart, and
what comes of comparing it.
"""

import collections
import itertools
import random
import time

import pytest

from xsraid.md import mdadm, superblocks
from xsraid.md.superblocks import ASIDE, NEWER, OLDER, SAME, SPARE, SPLIT, UNKNOWN, Superblock

UUID = "31bd0c1a:385a5cc2:4f811844:28fa8c1b"
# What mdadm 4.2 shows, shortened; 4.0, 4.1 and 4.4 differ in sizes alone.
NEW = """\
/dev/sdb:
          Magic : a92b4efc
        Version : 1.2
    Feature Map : 0x0
     Array UUID : 31bd0c1a:385a5cc2:4f811844:28fa8c1b
           Name : dom0:0  (local to host dom0)
  Creation Time : Fri Nov 27 10:17:02 2026
     Raid Level : raid1
   Raid Devices : 2

          State : clean
    Device UUID : c09c0bf1:667ff87a:72dffa87:773ae22d

    Update Time : Fri Nov 27 10:17:02 2026
       Checksum : da9617c - correct
         Events : 22


   Device Role : %s
   Array State : %s ('A' == active, '.' == missing, 'R' == replacing)
"""
OLD = """\
/dev/sda:
          Magic : a92b4efc
        Version : 0.90.00
           UUID : 31bd0c1a:385a5cc2:4f811844:28fa8c1b (local to host dom0)
   Raid Devices : 2
  Total Devices : 2

    Update Time : Fri Nov 27 10:16:57 2026
          State : clean
         Events : %s


      Number   Major   Minor   RaidDevice State
%s
"""
ROWS = {
    "whole": "this     0       8        0        0      active sync   /dev/sda\n\n"
    "   0     0       8        0        0      active sync   /dev/sda\n   1     1       8       16 "
    "       1      active sync   /dev/sdb",
    "removed": "this     1       8       16        1      active sync   /dev/sdb\n\n"
    "   0     0       0        0        0      removed\n   1     1       8       16        1      "
    "active sync   /dev/sdb",
    "faulty removed": "this     0       8        0        0      active sync   /dev/sda\n\n"
    "   0     0       8        0        0      active sync   /dev/sda\n   1     1       0        0 "
    "       1      faulty removed",
    "spare": "this     2       8       32       -1      spare   /dev/sdc\n\n"
    "   0     0       8        0        0      active sync   /dev/sda\n   1     1       8       16 "
    "       1      active sync   /dev/sdb\n"
    "   2     2       8       32        2      spare   /dev/sdc",
}


@pytest.mark.parametrize(
    "role,state,slot,active",
    [
        ("Active device 1", ".A", 1, {1}),
        ("Active device 0", "AA", 0, {0, 1}),
        ("Active device 11", "A.R" + "A" * 9, 11, {0} | set(range(2, 12))),
        ("spare", "AA", None, {0, 1}),
        ("Journal", "AA.", None, {0, 1}),
        ("Replacement device 1", "AR", None, {0, 1}),
    ],
)
def test_versions_1_have_role_and_state(role, state, slot, active):
    block = mdadm.parse_superblock("/dev/sdb", NEW % (role, state))
    assert block == Superblock(
        "/dev/sdb", UUID, 22, "Fri Nov 27 10:17:02 2026", slot, frozenset(active)
    )


@pytest.mark.parametrize(
    "rows,slot,active",
    [
        ("whole", 0, {0, 1}),
        ("removed", 1, {1}),
        ("faulty removed", 0, {0}),
        ("spare", None, {0, 1}),
    ],
)
def test_version_0_90_has_a_table(rows, slot, active):
    block = mdadm.parse_superblock("/dev/sda", OLD % ("18", ROWS[rows]))
    assert (block.uuid, block.events, block.slot, block.active) == (
        UUID,
        18,
        slot,
        frozenset(active),
    )


def test_old_mdadms_show_the_halves_of_a_count():
    assert (
        mdadm.parse_superblock("/dev/sda", OLD % ("1.18", ROWS["whole"])).events == (1 << 32) + 18
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "mdadm: No md superblock detected on /dev/sda.",
        NEW.replace("22", "many"),
        OLD.replace("UUID :", "ID :"),
    ],
)
def test_what_is_no_superblock(text):
    assert mdadm.parse_superblock("/dev/sda", text) is None


def test_what_does_not_tell_its_view_is_not_known():
    bare = mdadm.parse_superblock("/dev/sda", OLD % ("18", ""))
    assert bare.active is None


def test_it_is_the_same_through_json():
    block = mdadm.parse_superblock("/dev/sda", OLD % ("18", ROWS["whole"]))
    assert superblocks.unpacked(superblocks.packed(block)) == block
    assert superblocks.unpacked(superblocks.packed(None)) is None


def block(slot, events, active, updated="t"):
    return Superblock(
        "/dev/sd" + "abcdefgh"[slot or 0],
        UUID,
        events,
        updated,
        slot,
        None if active is None else frozenset(active),
    )


@pytest.mark.parametrize(
    "ours,other,word",
    [
        # a mirror
        ([block(0, 20, {0, 1})], block(1, 20, {0, 1}), SAME),
        ([block(0, 20, {0, 1})], block(1, 21, {0, 1}), SAME),  # a power cut between two writes
        ([block(0, 21, {0, 1})], block(1, 20, {0, 1}), SAME),
        ([block(0, 20, {0})], block(1, 15, {0, 1}), OLDER),
        ([block(0, 16, {0})], block(1, 16, {0, 1}, "before"), OLDER),
        ([block(0, 15, {0, 1})], block(1, 20, {1}), NEWER),
        ([block(0, 15, {0, 1})], block(1, 16, {1}), NEWER),
        ([block(0, 18, {0})], block(1, 22, {1}), SPLIT),
        ([block(0, 30, {0})], block(1, 22, {1}), SPLIT),
        ([block(0, 22, {0})], block(1, 22, {1}), SPLIT),
        ([block(0, 22, {0, 1}, "now")], block(1, 22, {0, 1}, "then"), SPLIT),
        ([block(0, 22, {0, 1})], block(1, 40, {0, 1}), NEWER),
        ([block(0, 22, {0})], block(None, 30, {1}), SPARE),
        ([block(0, 22, None)], block(1, 22, {0, 1}), UNKNOWN),
        ([block(0, 22, {0, 1})], block(1, 22, None), UNKNOWN),
        ([], block(1, 22, {0, 1}), UNKNOWN),
        # a mirror of three
        ([block(0, 10, {0, 1, 2})], block(2, 30, {2}), NEWER),
        ([block(1, 20, {1, 2})], block(0, 10, {0, 1, 2}), OLDER),
        ([block(1, 20, {1, 2})], block(2, 30, {2}), NEWER),
        ([block(0, 12, {0})], block(2, 11, {1, 2}), SPLIT),
        # RAID10 of four, copies on 0 1 and 2 3
        ([block(1, 10, {0, 1, 2, 3}), block(3, 10, {0, 1, 2, 3})], block(0, 20, {0, 2}), NEWER),
        ([block(1, 30, {1, 3}), block(3, 30, {1, 3})], block(0, 20, {0, 2}), SPLIT),
        # 0 has been replaced since.
        (
            [block(0, 30, {0, 1, 3}), block(1, 30, {0, 1, 3}), block(3, 30, {0, 1, 3})],
            block(2, 20, {1, 2, 3}),
            ASIDE,
        ),
        (
            [block(0, 30, {0, 1, 3}), block(1, 30, {0, 1, 3}), block(3, 30, {0, 1, 3})],
            block(2, 20, {0, 1, 2, 3}),
            OLDER,
        ),
        # RAID6 of four
        ([block(0, 10, {0, 1, 2, 3}), block(1, 12, {1, 2, 3})], block(2, 20, {2, 3}), NEWER),
    ],
)
def test_what_one_member_is_to_others(ours, other, word):
    assert superblocks.compare(ours, other) == word


def test_the_freshest_part():
    stale, fresh, spare = block(0, 15, {0, 1}), block(1, 20, {1}), block(None, 20, {1})
    assert superblocks.freshest([stale, fresh, spare]) == [fresh, spare]
    assert not superblocks.is_split([stale, fresh, spare])
    assert superblocks.is_split([block(0, 16, {0}), fresh])
    assert not superblocks.is_split([])
    assert not superblocks.is_split([spare])


class Mirror(object):
    """A model of md's mirror: each member's superblock, and the writes that it holds."""

    def __init__(self, count):
        self.blocks = {slot: (1, frozenset(range(count))) for slot in range(count)}
        self.writes, self.serial = {slot: set() for slot in range(count)}, itertools.count()

    def run(self, slots, random):
        """Run from the freshest of these slots, md's choice of them, with failures and writes;
        return nothing.
        """
        best = max(slots, key=lambda slot: self.blocks[slot][0])
        top, view = self.blocks[best]
        alive = {
            slot
            for slot in slots
            if slot in view and self.blocks[slot][0] >= top - 1 and best in self.blocks[slot][1]
        }
        for _ in range(random.randint(1, 4)):
            if len(alive) > 1 and random.random() < 0.5:
                alive.discard(random.choice(sorted(alive)))
            top += random.randint(1, 3)
            write = next(self.serial)
            for slot in alive:
                self.blocks[slot] = (top, frozenset(alive))
                self.writes[slot].add(write)

    def block(self, slot):
        return block(
            slot, self.blocks[slot][0], self.blocks[slot][1], str(sorted(self.writes[slot]))
        )


@pytest.mark.parametrize("seed", range(400))
def test_nothing_is_called_older_that_holds_writes_which_the_others_lack(seed):
    """Whatever parts of a mirror ran, in whatever order: what may be overwritten without being
    asked is held by those that run.
    """
    chance = random.Random(seed)
    count = chance.choice([2, 2, 3, 4])
    mirror = Mirror(count)
    for _ in range(chance.randint(1, 6)):
        mirror.run(chance.sample(range(count), chance.randint(1, count)), chance)
        for ours, other in itertools.permutations(range(count), 2):
            word = superblocks.compare([mirror.block(ours)], mirror.block(other))
            lacking = mirror.writes[other] - mirror.writes[ours]
            if word in (SAME, OLDER):
                assert not lacking, (mirror.blocks, mirror.writes, ours, other, word)
            if lacking and mirror.writes[ours] - mirror.writes[other]:
                assert word == SPLIT, (mirror.blocks, mirror.writes, ours, other, word)


DAY_S = 86400
LONG_AGO, JUST_NOW = "Fri Nov 20 10:00:00 2026", "Fri Nov 27 10:00:00 2026"
BOOTED = time.mktime(time.strptime("Wed Nov 25 10:00:00 2026"))


@pytest.mark.parametrize(
    "updated,before,word",
    [
        (LONG_AGO, [block(0, 20, {0, 1})], NEWER),
        (LONG_AGO, [block(0, 210, {0, 1}, LONG_AGO)], OLDER),
        (LONG_AGO, [block(0, 300, {0})], OLDER),
        (LONG_AGO, [], OLDER),
        # In the second in which the boot began: by the last one.
        ("Wed Nov 25 10:00:00 2026", [block(0, 20, {0, 1})], NEWER),
        ("Wed Nov 25 10:00:01 2026", [block(0, 20, {0, 1})], OLDER),
        (JUST_NOW, [block(0, 20, {0})], OLDER),  # it failed while this boot's array ran
        ("", [block(0, 20, {0, 1})], OLDER),
        ("in March", [block(0, 20, {0, 1})], OLDER),
    ],
)
def test_what_runs_counts_on_and_does_not_pass_what_was_newer(updated, before, word):
    """Slot 0 was given to a third disk, with which slot 1 served on; the old one is in the box
    still, and came first.
    """
    ours, other = [block(0, 500, {0}, JUST_NOW)], block(1, 210, {0, 1}, updated)
    assert superblocks.compare(ours, other) == OLDER
    assert superblocks.compare_since(ours, before, other, BOOTED) == word


@pytest.mark.parametrize(
    "other,word",
    [
        (block(1, 510, {1}, LONG_AGO), SPLIT),
        (block(1, 510, {0, 1}, LONG_AGO), NEWER),
        (block(None, 10, {0, 1}, LONG_AGO), SPARE),
    ],
)
def test_what_is_told_by_what_runs_now_stands(other, word):
    assert (
        superblocks.compare_since(
            [block(0, 500, {0}, JUST_NOW)], [block(0, 600, {0, 1})], other, BOOTED
        )
        == word
    )


class Slots(object):
    """A mirror of two whose slots are given to new disks. Each disk: (slot, events, slots that it
    knows as active, last written in which boot).
    """

    def __init__(self):
        self.disks, self.writes, self.boot, self.serial = {}, {}, 0, itertools.count()
        for slot in (0, 1):
            self.disks[slot], self.writes[slot] = (slot, 1, frozenset([0, 1]), 0), set()
        self.running = self.before = None

    def start(self, present):
        """Boot with these disks, md's choice of them runs: the freshest, and what it knows and is
        as fresh.
        """
        self.boot += 1
        best = max(present, key=lambda disk: self.disks[disk][1])
        slot, top, view, _ = self.disks[best]
        self.running = [best] + [
            disk
            for disk in present
            if disk != best
            and self.disks[disk][0] in view
            and self.disks[disk][0] != slot
            and self.disks[disk][1] == top
            and slot in self.disks[disk][2]
            and self.writes[disk] == self.writes[best]
        ]
        self.before = [self.block(disk) for disk in self.running]

    def write(self):
        top = max(self.disks[disk][1] for disk in self.running) + 1
        slots, write = frozenset(self.disks[disk][0] for disk in self.running), next(self.serial)
        for disk in self.running:
            self.disks[disk] = (self.disks[disk][0], top, slots, self.boot)
            self.writes[disk].add(write)

    def replace(self):
        """Give the slot that is free to a new disk, and fill that."""
        new, slot = len(self.disks), 1 - self.disks[self.running[0]][0]
        self.disks[new], self.writes[new] = (
            (slot, 0, frozenset(), self.boot),
            set(self.writes[self.running[0]]),
        )
        self.running.append(new)
        self.write()

    def block(self, disk):
        slot, events, view, boot = self.disks[disk]
        return Superblock(
            "/dev/%s" % disk,
            UUID,
            events,
            time.strftime(superblocks.UPDATED, time.localtime(boot * DAY_S + 60)),
            slot,
            view,
        )


def test_no_disk_that_counted_more_than_what_was_started_is_called_older():
    """Twenty thousand histories, in which disks fail, are left in the box, replaced, and come late,
    when what runs has been written to.
    """
    chance, seen = random.Random(11), collections.Counter()
    for _ in range(20000):
        mirror = Slots()
        for _ in range(chance.randint(2, 6)):
            mirror.start(chance.sample(sorted(mirror.disks), chance.randint(1, len(mirror.disks))))
            for _ in range(chance.randint(0, 4)):
                mirror.write()
                if len(mirror.running) > 1 and chance.random() < 0.4:
                    mirror.running.remove(chance.choice(mirror.running))
                elif len(mirror.running) == 1 and chance.random() < 0.4:
                    mirror.replace()
            for disk in set(mirror.disks) - set(mirror.running):
                ours, other = [mirror.block(one) for one in mirror.running], mirror.block(disk)
                word = superblocks.compare_since(ours, mirror.before, other, mirror.boot * DAY_S)
                lacking = mirror.writes[disk] - mirror.writes[mirror.running[0]]
                seen[word, bool(lacking)] += 1
                is_newer = other.events > max(block.events for block in mirror.before) + 1
                assert not (lacking and is_newer) or word in (NEWER, SPLIT), (
                    mirror.disks,
                    mirror.running,
                    disk,
                    word,
                )
    assert seen[NEWER, True] > 500, seen
    assert seen[SPLIT, True] > 500, seen
    assert seen[OLDER, False] > 5000, seen


@pytest.mark.parametrize(
    "here,ran,is_outlived",
    [
        ([block(0, 15, {0, 1})], [block(1, 40, {1})], True),
        ([block(0, 15, {0, 1})], [block(1, 16, {1})], True),
        # Its slot is another's by now: what it ran from later says of no slot that it is gone.
        ([block(0, 15, {0, 1})], [block(0, 40, {0, 1}), block(1, 40, {0, 1})], True),
        # A mirror of three
        ([block(0, 15, {0, 1, 2}), block(1, 16, {1, 2})], [block(2, 40, {2})], True),
        ([block(0, 15, {0, 1, 2})], [block(1, 40, {1, 2}), block(2, 40, {1, 2})], True),
        # It was taken in again after that, and ran alone.
        ([block(0, 50, {0})], [block(1, 40, {1})], False),
        ([block(0, 50, {0, 1})], [block(1, 40, {1})], False),
        # A power cut between two writes
        ([block(0, 39, {0, 1})], [block(1, 40, {0, 1})], False),
        ([block(0, 40, {0, 1})], [block(1, 40, {1})], False),
        ([block(0, 15, None)], [block(1, 40, {1})], False),
        ([block(None, 15, {0, 1})], [block(1, 40, {1})], False),
        ([block(0, 15, {0, 1})], [], False),
        ([], [block(1, 40, {1})], False),
    ],
)
def test_what_an_array_went_on_without(here, ran, is_outlived):
    assert superblocks.is_outlived(here, ran) is is_outlived


@pytest.mark.parametrize(
    "blocks,were_apart",
    [
        ([block(0, 20, {0, 1}), block(1, 20, {0, 1})], False),
        ([block(0, 20, {0, 1}), block(1, 21, {0, 1})], False),
        ([block(0, 20, {0}), block(1, 20, {1})], True),
        ([block(0, 20, {0}), block(1, 21, {1})], True),
        # 0 was left out, and power was cut before anything more was counted.
        ([block(0, 20, {0, 1}), block(1, 21, {1})], True),
        ([block(1, 21, {1}), block(0, 20, {0, 1})], True),
        # 0 has just been taken in, and power was cut before 1 said so.
        ([block(0, 21, {0, 1}), block(1, 20, {1})], False),
        ([block(0, 20, {0, 1, 2}), block(1, 20, {1, 2}), block(2, 20, {1, 2})], True),
        ([block(0, 20, None), block(1, 20, {1})], False),
        ([block(0, 20, {0, 1}), block(None, 20, {0, 1})], False),
        ([block(1, 20, {1})], False),
        ([], False),
    ],
)
def test_members_that_had_gone_on_without_each_other(blocks, were_apart):
    assert superblocks.were_apart(blocks) is were_apart


def test_a_note_of_what_ran_tells_what_is_stale_and_nothing_else():
    """Six thousand histories, with notes taken now and then: what is not started lacks writes,
    and with a note of the last members nothing that only lacks writes is started.
    """
    chance, seen = random.Random(12), collections.Counter()
    for _ in range(6000):
        mirror, members, ran = Slots(), [], []
        is_right = False
        for _ in range(chance.randint(2, 6)):
            here = chance.sample(sorted(mirror.disks), chance.randint(1, len(mirror.disks)))
            if members and not set(here).intersection(members):
                best = max(here, key=lambda disk: mirror.disks[disk][1])
                held, kept = mirror.writes[best], set.union(*map(mirror.writes.get, members))
                lacking, is_split = kept - held, bool(held - kept)
                found = superblocks.is_outlived([mirror.block(disk) for disk in here], ran)
                seen[found, is_right and not is_split] += 1
                assert lacking or not found, (mirror.disks, here, members)
                if is_right and not is_split:
                    assert found or not lacking, (mirror.disks, here, members)
            mirror.start(here)
            is_right = is_right and set(mirror.running) == set(members)
            for _ in range(chance.randint(0, 4)):
                mirror.write()
                is_right = False
                if len(mirror.running) > 1 and chance.random() < 0.4:
                    mirror.running.remove(chance.choice(mirror.running))
                elif len(mirror.running) == 1 and chance.random() < 0.4:
                    mirror.replace()
                if chance.random() < 0.4:
                    members = list(mirror.running)
                    ran = [mirror.block(disk) for disk in members]
                    is_right = True
    assert seen[True, True] > 150, seen
    assert seen[True, False] > 150, seen
    assert seen[False, False] > 150, seen
