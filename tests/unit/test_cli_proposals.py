"""What is proposed for a set of disks."""

import pytest

from xsraid_cli.ask import proposals

GIB = 1 << 30


def disk(name, size_bytes=100 * GIB, **more):
    found = {
        "device": "/dev/" + name,
        "serial": "Z" + name,
        "wwn": None,
        "by_id": None,
        "size_bytes": size_bytes,
        "refusals": [],
        "stale": [],
    }
    found.update(more)
    return found


DISKS = [
    disk("sda"),
    disk("sdb", stale=[{"type": "ext4"}]),
    disk("sdc", refusals=[{"reason": "MOUNTED", "detail": "/"}]),
    disk("sdd"),
]


def test_disks_in_use_are_no_choice_and_clean_ones_come_first():
    assert [each["device"] for each in proposals.usable(DISKS)] == [
        "/dev/sda",
        "/dev/sdd",
        "/dev/sdb",
    ]


def test_disks_are_named_as_everywhere():
    chosen, unknown = proposals.named(proposals.usable(DISKS), "sdd, /dev/sda Zsdd sdc")
    assert [each["device"] for each in chosen] == ["/dev/sdd", "/dev/sda"]
    assert unknown == ["sdc"]


@pytest.mark.parametrize(
    "count,levels,best",
    [
        (2, [("raid0", 200, 0), ("raid1", 100, 1), ("raid10", 100, 1)], "raid1"),
        (3, [("raid0", 300, 0), ("raid1", 100, 2), ("raid5", 200, 1), ("raid10", 150, 1)], "raid5"),
        (
            4,
            [
                ("raid0", 400, 0),
                ("raid1", 100, 3),
                ("raid5", 300, 1),
                ("raid6", 200, 2),
                ("raid10", 200, 1),
            ],
            "raid10",
        ),
        (
            5,
            [
                ("raid0", 500, 0),
                ("raid1", 100, 4),
                ("raid5", 400, 1),
                ("raid6", 300, 2),
                ("raid10", 250, 1),
            ],
            "raid10",
        ),
    ],
)
def test_levels_with_what_they_hold_and_survive(count, levels, best):
    found = proposals.levels([disk("sd%s" % "abcde"[at]) for at in range(count)])
    assert [(each.level, each.size_bytes // GIB, max(each.survives, 0)) for each in found] == levels
    assert proposals.best(found, count).level == best


def test_the_smallest_disk_counts():
    found = proposals.levels([disk("sda"), disk("sdb", 10 * GIB)])
    assert [each.size_bytes // GIB for each in found] == [20, 10, 10]
