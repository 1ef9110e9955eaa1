"""An array's health in one sentence."""

import pytest

from tests import made
from xsraid import text
from xsraid.md import summary


def record(health, left=1, sync=None, policy="bitmap", level="raid1", **states):
    members = [
        {"device": "/dev/" + name if state != "missing" else None, "slot": slot, "state": state}
        for slot, (name, state) in enumerate(sorted(states.items()))
    ]
    return made.array(
        health=health,
        level=level,
        redundancy_left=left,
        sync=sync,
        consistency_policy=policy,
        members=members,
    )


def named(about, **more):
    return about.replace(device="/dev/md/of/md0", **more)


def under_way(action, ratio=0.5, remaining_s=4800):
    return {"action": action, "done_ratio": ratio, "speed_bytes_s": 1, "remaining_s": remaining_s}


@pytest.mark.parametrize(
    "about,said",
    [
        (record("optimal", 2), "All its members serve; 2 more failures are survived."),
        (
            record("no_redundancy", 0),
            "All its members serve; the failure of any one of them loses data.",
        ),
        (
            record("unknown", 0, level="raid7", sda="active"),
            "All its members serve; how many failures an array of the level raid7 survives is not "
            "known here.",
        ),
        (
            record("degraded", 0, sda="active", sdb="faulty"),
            "Members are gone: /dev/sdb; no further failure is survived.",
        ),
        (
            record("degraded", 0, sda="active", sdb="missing"),
            "Members are gone: that of slot 1; no further failure is survived.",
        ),
        (
            record("rebuilding", 0, under_way("recover"), sda="active", sdc="rebuilding"),
            "/dev/sdc is being filled, 50 % done, 1 h 20 min left; no further failure is survived.",
        ),
        (
            record("checking", 1, under_way("check", 0.999, 45)),
            "Its members are being compared, 99 % done, 45 s left; one more failure is survived.",
        ),
        (
            record("resyncing", 1, under_way("reshape", None, None)),
            "It is being reshaped; one more failure is survived.",
        ),
        (
            record("failed", 0, sda="active", sdb="faulty", sdc="missing"),
            "It cannot serve: too many members are gone (/dev/sdb, that of slot 2).",
        ),
        (
            record("failed", 0, policy="journal", sda="active"),
            "It cannot serve: its journal is gone.",
        ),
        (record("degraded", 1), "It lacks a member; one more failure is survived."),
        (record("optimal", -1), "All its members serve; no further failure is survived."),
        (
            record("rebuilding", 0, under_way("recover", None, None), sda="active"),
            "A member is being filled; no further failure is survived.",
        ),
        (
            record(
                "rebuilding",
                0,
                under_way("recover", 0, None),
                sda="active",
                sdb="spare",
                sdc="rebuilding",
                sdd="rebuilding",
                sde="missing",
            ),
            "/dev/sdc, /dev/sdd is being filled, 0 % done; no further failure is survived.",
        ),
        (
            record("resyncing", 1, under_way("resync", None, 0)),
            "Its redundancy is being made, 0 s left; one more failure is survived.",
        ),
        (
            record("checking", 1, under_way("repair", None, None)),
            "Its members are being made equal; one more failure is survived.",
        ),
        (
            record("inactive", 0),
            "It does not run: it waits for members. Once they are there, `systemctl restart "
            "xsraid-assemble.service` starts it.",
        ),
        (record("missing", 0), "It has a line in /etc/mdadm.conf, but it is not running."),
        (
            named(record("optimal"), bad_blocks=["/dev/sda", "/dev/sdb"]),
            "All its members serve; one more failure is survived. The kernel knows of bad blocks "
            "on members (/dev/sda, /dev/sdb), which hold no data that could be read.",
        ),
        (
            named(record("read_only"), read_only=True),
            "It is read-only: `mdadm --readwrite /dev/md/of/md0` ends that; one more failure is "
            "survived.",
        ),
        (
            named(record("frozen"), frozen=True),
            "Md has stopped all rebuilding and checking on it (frozen): `echo idle > "
            "/sys/block/md0/md/sync_action` lets it go on; one more failure is survived.",
        ),
        (
            named(record("resyncing", 1, under_way("resync", None, None)), sync_pending=True),
            "Its redundancy is being made; that begins with the first write to the array, or with "
            "`mdadm --readwrite /dev/md/of/md0`; one more failure is survived.",
        ),
        (
            named(record("checking", 1, under_way("check", None, None)), sync_held=True),
            "Its members are being compared; somebody has had md stop at a part of it: `echo max "
            "> /sys/block/md0/md/sync_max` lets it go on; one more failure is survived.",
        ),
        (record("wanting", 1), "All its members serve; one more failure is survived."),
    ],
)
def test_sentences(about, said):
    assert summary.sentence(about) == said


def test_a_member_that_is_gone_is_named_by_its_serial_number():
    about = record("degraded", 0, sda="active", sdb="missing")
    about.members[1].serial = "Z1"
    said = "Members are gone: that of slot 1 (serial number Z1); no further failure is survived."
    assert summary.sentence(about) == said


@pytest.mark.parametrize(
    "seconds,said",
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (89, "1 min"),
        (90, "2 min"),
        (600, "10 min"),
        (3569, "59 min"),
        (3570, "1 h 0 min"),
        (3600, "1 h 0 min"),
        (7260, "2 h 1 min"),
        (86369, "23 h 59 min"),
        (86370, "1 d 0 h"),
        (90000, "1 d 1 h"),
        (187200, "2 d 4 h"),
    ],
)
def test_durations(seconds, said):
    assert text.duration(seconds) == said
