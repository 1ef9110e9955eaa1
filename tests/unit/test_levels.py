import itertools

import pytest

from xsraid import levels

NEAR_2, FAR_2, OFFSET_2, NEAR_3, NEAR_2_FAR_2 = 0x102, 0x201, 0x10201, 0x103, 0x202


@pytest.mark.parametrize(
    "text,name", [("10", "raid10"), ("raid10", "raid10"), ("RAID5", "raid5"), ("0", "raid0"), ("4", None), ("", None), ("raid", None), ("1 0", None)]
)
def test_level_names(text, name):
    assert levels.level_name(text) == name


@pytest.mark.parametrize(
    "level,count,capacity", [("raid0", 3, 300), ("raid1", 3, 100), ("raid5", 4, 300), ("raid6", 5, 300), ("raid10", 4, 200), ("raid10", 5, 250)]
)
def test_capacity(level, count, capacity):
    assert levels.capacity_bytes(level, 100, count) == capacity


@pytest.mark.parametrize(
    "level,count,dead,left",
    [
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
    ],
)
def test_redundancy_left(level, count, dead, left):
    assert levels.redundancy(level, count, dead) == left


def holders(count, layout):
    """Which slots hold each chunk, drawn as md(4) draws it: rows of chunks, copy by copy. An independent model of raid10."""
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
                while all(not any(slots <= set(dead) | set(more) for slots in places) for more in itertools.combinations(alive, further + 1)):
                    further += 1
            assert levels.redundancy("raid10", count, dead, layout) == further, (dead, layout)


def test_raid10_with_far_sets_survives_one_failure_in_each_set():
    far_sets = 0x201 | 2 << 17
    assert levels.redundancy("raid10", 4, [], far_sets) == 1
    assert levels.redundancy("raid10", 4, [0, 2], far_sets) == 0
    assert levels.redundancy("raid10", 4, [0, 1], far_sets) == -1
    assert levels.redundancy("raid10", 5, [2, 3], far_sets) == -1
