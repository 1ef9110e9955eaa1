import io
import itertools
import os
import re

import pytest

import xsraid
from xsraid.md import levels
from xsraid.md.state import Member

NEAR_2, FAR_2, OFFSET_2, NEAR_3, NEAR_2_FAR_2 = 0x102, 0x201, 0x10201, 0x103, 0x202


@pytest.mark.parametrize(
    "text,name",
    [
        ("10", "raid10"),
        ("raid10", "raid10"),
        ("RAID5", "raid5"),
        ("0", "raid0"),
        ("4", None),
        ("", None),
        ("raid", None),
        ("1 0", None),
    ],
)
def test_level_names(text, name):
    assert levels.level_name(text) == name


@pytest.mark.parametrize(
    "level,count,capacity",
    [
        ("raid0", 3, 300),
        ("raid1", 3, 100),
        ("raid5", 4, 300),
        ("raid6", 5, 300),
        ("raid10", 4, 200),
        ("raid10", 5, 250),
    ],
)
def test_capacity(level, count, capacity):
    assert levels.capacity_bytes(level, 100, count) == capacity


@pytest.mark.parametrize(
    "level,number,members_min,redundant,chunked",
    [
        ("raid0", 0, 2, False, True),
        ("raid1", 1, 2, True, False),
        ("raid5", 5, 3, True, True),
        ("raid6", 6, 4, True, True),
        ("raid10", 10, 2, True, True),
    ],
)
def test_what_a_level_needs_and_gives(level, number, members_min, redundant, chunked):
    assert levels.LEVELS[level][:4] == (number, members_min, redundant, chunked)
    assert levels.is_redundant(level) is redundant


def test_a_level_that_is_not_known_has_no_redundancy():
    assert [levels.is_redundant(level) for level in (None, "linear", "faulty")] == [False] * 3


@pytest.mark.parametrize(
    "policy,states,lacks",
    [
        ("journal", ["active", "active"], True),
        ("journal", [], True),
        ("journal", ["active", "missing", "rebuilding", "spare"], True),
        ("journal", ["active", "journal"], False),
        ("journal", ["journal"], False),
        ("bitmap", ["active"], False),
        ("ppl", ["active"], False),
        ("resync", ["active"], False),
        (None, ["active"], False),
    ],
)
def test_a_journal_that_is_gone(policy, states, lacks):
    assert levels.lacks_journal(policy, [Member(state=state) for state in states]) is lacks


@pytest.mark.parametrize(
    "level,count,dead,left",
    [
        ("multipath", 3, [1], 1),
        ("raid4", 4, [], 1),
        ("raid4", 4, [0, 1], -1),
        ("raid5", 4, [0, 1, 2], -2),
        ("raid6", 5, [1, 2], 0),
        ("linear", 3, [0, 1], -2),
        ("raid0", 3, [0, 1], -2),
        ("raid7", 3, [0, 1], 0),
        ("faulty", 3, [0], -1),
        ("raid10", 4, [], 0),  # of a layout that is not known: no copies
        ("raid1", 3, [], 2),
        ("raid1", 2, [0], 0),
        ("raid1", 2, [0, 1], -1),
        ("raid5", 4, [], 1),
        ("raid5", 4, [2], 0),
        ("raid6", 5, [1], 1),
        ("raid6", 5, [1, 2, 3], -1),
        ("raid0", 2, [], 0),
        ("raid0", 2, [1], -1),
        ("linear", 2, [], 0),
        ("linear", 2, [1], -1),
        ("raid4", 3, [], 1),
        ("raid4", 3, [2], 0),
        ("raid4", 3, [0, 2], -1),
        ("multipath", 2, [1], 0),
    ],
)
def test_redundancy_left(level, count, dead, left):
    assert levels.redundancy(level, count, dead) == left


@pytest.mark.parametrize(
    "level", list(levels.KNOWN) + ["linear", "faulty", "container", "raid7", "", None]
)
def test_what_survives_a_failure_is_redundant(level):
    """One table says both; of what it does not know it says so."""
    if levels.is_known(level):
        assert levels.is_redundant(level) == (
            levels.redundancy(level, max(2, levels.rule(level).members_min), (), NEAR_2) > 0
        )
    else:
        assert not levels.is_redundant(level)


def test_which_levels_are_not_known():
    assert [
        level
        for level in ("raid0", "raid1", "raid4", "raid5", "raid6", "raid10", "linear", "faulty")
        if not levels.is_known(level)
    ] == []
    assert [
        level for level in ("multipath", "raid7", "container", None) if levels.is_known(level)
    ] == []


def test_no_other_module_lists_levels():
    """A level is named elsewhere only where a rule is its own alone: ppl is RAID5's, the layout
    RAID10's.
    """
    package = os.path.dirname(xsraid.__file__)
    listing = []
    for folder, _, names in os.walk(package):
        for path in [os.path.join(folder, name) for name in sorted(names) if name.endswith(".py")]:
            # conf has the words of mdadm.conf, and what numbers they are.
            if os.path.relpath(path, package) not in ("md/levels.py", "md/conf.py"):
                with io.open(path, encoding="utf-8") as source:
                    listing += [
                        (path, line.strip())
                        for line in source
                        if len(re.findall("[\"'](?:raid[0-9]+|linear|multipath)[\"']", line)) > 1
                    ]
    assert listing == []


def holders(count, layout):
    """Which slots hold each chunk, drawn as md(4) draws it: rows of chunks, copy by copy. An
    independent model of raid10.
    """
    near, far = layout & 255, layout >> 8 & 255
    rows = [list(range(row * count, (row + 1) * count)) for row in range(near)]
    first = [[chunk // near for chunk in row] for row in rows]
    places = {}
    for copy in range(far):
        for row in first:
            for slot, chunk in enumerate(row):
                places.setdefault(chunk, set()).add((slot + copy * near) % count)
    return [slots for chunk, slots in places.items() if len(slots) == near * far]


@pytest.mark.parametrize("layout", [NEAR_2, FAR_2, OFFSET_2, NEAR_3, NEAR_2_FAR_2])
@pytest.mark.parametrize("count", [4, 5, 6, 7])
def test_raid10_agrees_with_trying_every_failure(count, layout):
    places = holders(count, layout)
    for dead_count in range(3):
        for dead in itertools.combinations(range(count), dead_count):
            further = 0
            alive = set(range(count)) - set(dead)
            if any(slots <= set(dead) for slots in places):
                further = -1
            else:
                while all(
                    not any(slots <= set(dead) | set(more) for slots in places)
                    for more in itertools.combinations(alive, further + 1)
                ):
                    further += 1
            assert levels.redundancy("raid10", count, dead, layout) == further, (dead, layout)


def test_raid10_with_far_sets_survives_one_failure_in_each_set():
    far_sets = 0x201 | 2 << 17
    assert levels.redundancy("raid10", 4, [], far_sets) == 1
    assert levels.redundancy("raid10", 4, [0, 2], far_sets) == 0
    assert levels.redundancy("raid10", 4, [0, 1], far_sets) == -1
    assert levels.redundancy("raid10", 5, [2, 3], far_sets) == -1


def kernels_places(count, near, far, sets):
    """Where the copies of each chunk are, as __raid10_find_phys and setup_geo of the kernel's
    raid10.c reckon it, step by step.
    """
    set_size = {0: count, 1: count // far, 2: near * far}[sets]
    last_set_start = (count // set_size - 1) * set_size
    last_set_size = set_size + count % set_size
    for chunk in range(count):
        slots, slot = set(), chunk * near % count
        for _ in range(near):
            copy = slot
            slots.add(copy)
            for _ in range(1, far):
                in_set = copy // set_size
                copy += near
                if count % set_size and copy > last_set_start:
                    copy = (copy - last_set_start) % last_set_size + last_set_start
                else:
                    copy = copy % set_size + set_size * in_set
                slots.add(copy)
            slot = (slot + 1) % count
        yield slots


SHAPES = [
    (count, near, far, sets)
    for near, far, sets in itertools.product((1, 2, 3), (1, 2, 3), (0, 1, 2))
    for count in range(max(2, near * far), 10)
]


@pytest.mark.parametrize("count,near,far,sets", SHAPES)
def test_raid10_puts_its_copies_where_the_kernel_does(count, near, far, sets):
    places = list(kernels_places(count, near, far, sets))
    layout = near | far << 8 | 1 << 16 | sets << 17
    for dead in itertools.chain.from_iterable(
        itertools.combinations(range(count), dead_count) for dead_count in range(3)
    ):
        assert (
            levels.redundancy("raid10", count, dead, layout)
            == min(len(slots - set(dead)) for slots in places) - 1
        )


@pytest.mark.parametrize(
    "layout,left", [(0x002, 1), (0x003, 2), (0x200, 1), (0x300, 2), (0x302, 5)]
)
def test_a_layout_that_says_nothing_of_one_sort_of_copies_has_one_of_them(layout, left):
    assert levels.redundancy("raid10", 6, [], layout) == left


@pytest.mark.parametrize(
    ("count", "layout"),
    [(0, 0x102), (0, 0x201), (3, 7 << 17 | 0x102), (2, 1 << 17 | 0x401), (2, 2 << 17 | 0x404)],
)
def test_a_raid10_that_md_would_not_run_claims_no_redundancy(count, layout):
    """Such as one that is being stopped, which has no members any more."""
    assert levels.redundancy("raid10", count, [], layout) <= 0


@pytest.mark.parametrize(
    "level,has_parity",
    [
        ("raid0", False),
        ("raid1", False),
        ("raid4", True),
        ("raid5", True),
        ("raid6", True),
        ("raid10", False),
        ("linear", False),
        ("of-tomorrow", False),
        (None, False),
    ],
)
@pytest.mark.parametrize(
    "policy,has_hole",
    [
        ("resync", True),
        ("bitmap", True),
        (None, True),
        ("unknown", True),
        ("ppl", False),
        ("journal", False),
    ],
)
def test_parity_has_a_write_hole_that_a_log_or_a_journal_closes(
    level, has_parity, policy, has_hole
):
    assert levels.has_write_hole(level, policy) is (has_parity and has_hole)
