"""What SMART says and what of it is told; when arrays are checked, and by whom."""

import pytest

from tests import made
from xsraid.actions import check
from xsraid.disks import smart
from xsraid.host import config, store
from xsraid.host.files import Host
from xsraid.md.state import Sync

# smartctl 6.5 and 7.4 print the same table; left out is what is not asked for.
ATA = """\
smartctl 6.5 2016-05-07 r4318 [x86_64-linux-4.19.0+1] (local build)

=== START OF READ SMART DATA SECTION ===
SMART overall-health self-assessment test result: %s

SMART Attributes Data Structure revision number: 10
Vendor Specific SMART Attributes with Thresholds:
ID# ATTRIBUTE_NAME          FLAG     VALUE WORST THRESH TYPE      UPDATED  WHEN_FAILED RAW_VALUE
  1 Raw_Read_Error_Rate     0x000f   082   064   044    Pre-fail  Always       -       167853440
  5 Reallocated_Sector_Ct   0x0033   100   100   010    Pre-fail  Always       -       %d
194 Temperature_Celsius     0x0022   035   042   000    Old_age   Always       -       35 (0 19 0 0 0)
187 Reported_Uncorrect      0x0032   100   100   000    Old_age   Always       -       %d
197 Current_Pending_Sector  0x0012   100   100   000    Old_age   Always       -       %d
198 Offline_Uncorrectable   0x0010   100   100   000    Old_age   Offline      -       %d
"""  # noqa: E501
SCSI = """\
=== START OF READ SMART DATA SECTION ===
SMART Health Status: %s

Current Drive Temperature:     34 C
Elements in grown defect list: %d
"""
NVME = """\
=== START OF SMART DATA SECTION ===
SMART overall-health self-assessment test result: PASSED

SMART/Health Information (NVMe Log 0x02)
Critical Warning:                   0x00
Media and Data Integrity Errors:    1,024
"""


def seen(verdict="PASSED", pending=0, reallocated=0, media=None, offline=0, reported=0):
    return {
        "verdict": verdict,
        "pending_sectors": pending,
        "reallocated_sectors": reallocated,
        "media_errors": media,
        "offline_uncorrectable_sectors": offline,
        "reported_uncorrectable_errors": reported,
    }


@pytest.mark.parametrize(
    "said,found",
    [
        (ATA % ("PASSED", 12, 120, 8, 624), seen("PASSED", 8, 12, None, 624, 120)),
        (ATA % ("FAILED!", 0, 0, 0, 0), seen("FAILED!")),
        (SCSI % ("OK", 3), seen("OK", None, 3, None, None, None)),
        (
            SCSI % ("FAILURE PREDICTION THRESHOLD EXCEEDED [asc=5d]", 0),
            seen("FAILURE PREDICTION THRESHOLD EXCEEDED [asc=5d]", None, 0, None, None, None),
        ),
        (NVME, seen("PASSED", None, None, 1024, None, None)),
        (ATA % ("UNKNOWN!", 0, 0, 0, 0), seen(None)),
        ("Device is in STANDBY mode, exit(2)\n", None),
        ("", None),
    ],
)
def test_what_smartctl_says(tmpdir, said, found):
    tmpdir.join("said").write(said)
    tmpdir.join("smartctl").write("#!/bin/sh\ncat %s\nexit 64\n" % tmpdir.join("said"))
    tmpdir.join("smartctl").chmod(0o755)
    assert smart.examine(Host("/", "%s:/bin" % tmpdir), "/dev/sda") == found


def test_no_smartctl(tmpdir):
    assert smart.examine(Host("/", str(tmpdir)), "/dev/sda") is None


class Disk(object):
    """What is remembered of a disk from one look to the next."""

    def __init__(self):
        self.known = {}

    def look(self, hour, **more):
        sentences, self.known = smart.findings(self.known, seen(**more), hour * 3600.0 + 1e9)
        return sentences


def test_each_finding_once():
    disk = Disk()
    assert disk.look(0, reallocated=5) == []  # years ago
    assert disk.look(1, reallocated=5, pending=8) == ["pending sectors: 8, 8 more than before"]
    assert disk.look(2, reallocated=5, pending=8) == []
    # Not more than once a day.
    assert disk.look(3, reallocated=5, pending=16) == disk.look(20, reallocated=6, pending=16) == []
    told = disk.look(25, reallocated=6, pending=16)
    assert told == [
        "pending sectors: 16, 8 more than before",
        "reallocated sectors: 6, 1 more than before",
    ]
    assert disk.look(26, reallocated=6, pending=16) == []


@pytest.mark.parametrize(
    "more,told",
    [
        ({"reallocated": 8256}, "reallocated sectors: 8256"),
        ({"reallocated": 1420, "verdict": "OK", "pending": None}, "reallocated sectors: 1420"),
        ({"offline": 624}, "offline uncorrectable sectors: 624"),
        ({"reported": 120}, "reported uncorrectable errors: 120"),
        ({"reallocated": 16}, "reallocated sectors: 16"),
        ({"reallocated": 15}, None),
        ({"reported": 1}, "reported uncorrectable errors: 1"),
        ({"offline": 1}, "offline uncorrectable sectors: 1"),
        ({"media": 1}, "media errors: 1"),
    ],
)
def test_a_disk_that_is_dying_when_first_looked_at_is_told_of(more, told):
    """Its own verdict is that it passed."""
    disk = Disk()
    assert disk.look(0, **more) == ([told] if told else [])
    assert disk.look(48, **more) == []
    disk.look(72, **dict(more, reallocated=more.get("reallocated", 0) + 1))
    assert disk.known["reallocated_sectors"] == more.get("reallocated", 0) + 1


def test_what_an_older_version_took_for_normal_is_judged_once():
    disk = Disk()
    disk.known = {
        "verdict": "PASSED",
        "pending_sectors": 8,
        "reallocated_sectors": 8256,
        "media_errors": None,
        "told_at": 0,
    }
    assert disk.look(0, reallocated=8256, pending=8) == ["reallocated sectors: 8256"]
    assert disk.look(48, reallocated=8256, pending=8) == []


def test_a_bad_verdict_waits_for_nothing():
    disk = Disk()
    assert disk.look(0, pending=1) == ["pending sectors: 1"]
    assert disk.look(1, pending=1, verdict="FAILED!") == ["its own verdict is FAILED!"]
    assert (
        disk.look(2, pending=1, verdict="FAILED!")
        == disk.look(3, pending=1, verdict=None)
        == disk.look(4, pending=1, verdict="FAILED!")
        == []
    )
    assert disk.look(5) == []
    assert disk.look(60, verdict="FAILED!") == ["its own verdict is FAILED!"]


@pytest.mark.parametrize(
    "hours,inside", [((1, 6), [1, 5]), ((22, 4), [22, 23, 0, 3]), ((0, 24), [0, 12, 23])]
)
def test_quiet_hours(hours, inside):
    outside = [hour for hour in range(24) if not check.is_within(hours, hour)]
    assert not set(inside) & set(outside)
    assert (hours[0] - 1) % 24 in outside + ([23] if hours == (0, 24) else [])


@pytest.mark.parametrize(
    "cron,switch,is_active",
    [
        ("0 1 * * Sun root /usr/sbin/raid-check\n", "ENABLED=yes\n", True),
        ("0 1 * * Sun root /usr/sbin/raid-check\n", 'ENABLED="no"\n', False),
        ("# 0 1 * * Sun root /usr/sbin/raid-check\n", "ENABLED=yes\n", False),
        (None, "ENABLED=yes\n", False),
        ("0 1 * * Sun root /usr/sbin/raid-check\n", None, False),
    ],
)
def test_the_distributions_own_check(tmpdir, cron, switch, is_active):
    if cron is not None:
        tmpdir.ensure("etc/cron.d/raid-check").write(cron)
    if switch is not None:
        tmpdir.ensure("etc/sysconfig/raid-check").write(switch)
    assert check.other_checker(Host(str(tmpdir))) == (
        "/etc/cron.d/raid-check" if is_active else None
    )


@pytest.mark.parametrize(
    "place", ["timers.target.wants/raid-check.timer", "mdmonitor.service.wants/mdcheck_start.timer"]
)
def test_a_timer_that_checks(tmpdir, place):
    tmpdir.ensure("etc/systemd/system/" + place)
    assert check.other_checker(Host(str(tmpdir))) == "/etc/systemd/system/" + place


@pytest.mark.parametrize("order", [1, -1])
def test_what_a_disk_says_is_told_of_the_array_that_it_serves(tmpdir, mocker, order):
    """The container of firmware RAID has the disks of all its volumes."""
    member = {"device": "/dev/sda", "serial": "S"}
    healths = (("/dev/md126", "container"), ("/dev/md127", "optimal"))
    records = [
        made.array(device=device, health=health, members=[member]) for device, health in healths
    ]
    mocker.patch("xsraid.md.state.read_arrays", return_value=records[::order])
    mocker.patch("xsraid.actions.check._disk_of", return_value="sda")
    assert [record.device for record, _ in check._disks(Host(str(tmpdir))).values()] == [
        "/dev/md127"
    ]


@pytest.mark.parametrize("left_by_somebody", ["1024", "max"])
def test_no_check_ends_where_somebody_had_one_end(tmpdir, mocker, left_by_somebody):
    """Whoever asked for a part of one may have left md/sync_max there: the check would stand still
    for ever.
    """
    attributes = {
        "sync_max": left_by_somebody,
        "sync_min": "0",
        "sync_speed_min": "",
        "sync_speed_max": "",
    }
    for name, text in attributes.items():
        tmpdir.ensure("sys/block/md0/md/" + name).write(text)
    begun = []
    sync_max = tmpdir.join("sys/block/md0/md/sync_max")
    mocker.patch(
        "xsraid.actions.check._act",
        side_effect=lambda host, record, action: begun.append((action, sync_max.read()[:3])),
    )
    host = Host(str(tmpdir))
    record = made.array(device="/dev/md0", uuid="u", level="raid1", health="optimal")
    known = {"u": {"since": 0, "at": 0, "is_running": False}}
    check._begin(host, [record], known, 1e9, config.load_or_default(host))
    assert begun == [("check", "max")]
    assert known["u"]["is_running"]


@pytest.fixture
def ended(tmpdir, mocker):
    """A host on which a check of md0 has ended; give (host, record, what is known of it)."""
    attributes = {
        "sync_min": "0",
        "last_sync_action": "check",
        "mismatch_cnt": "128",
        "sync_speed_min": "",
        "sync_speed_max": "",
    }
    for name, text in attributes.items():
        tmpdir.ensure("sys/block/md0/md/" + name).write(text)
    tmpdir.ensure("var/lib/xsraid", dir=True)
    host = Host(str(tmpdir))
    mocker.patch.object(host, "lock")
    record = made.array(device="/dev/md0", uuid="u", level="raid1", health="optimal")

    def known():
        return store.read(host, "care")["arrays"]["u"]

    return host, record, known


def test_what_a_check_found_that_somebody_began_is_noted(ended):
    host, record, known = ended
    check.note_ends(host, [record])
    assert store.read(host, "care") is None
    check._note(host, record, is_asked=True)
    check.note_ends(host, [record.replace(sync=Sync(action="check"))])
    assert known()["done"] is None
    check.note_ends(host, [record])
    assert known()["found"] == 128
    assert known()["done"] == known()["since"]
    assert not known()["is_asked"]


@pytest.mark.parametrize(
    "changed,attributes",
    [
        ({}, {"sync_min": "2048"}),  # it was cut short
        ({}, {"last_sync_action": "recover"}),
        ({"health": "degraded"}, {}),
    ],
)
def test_a_check_that_did_not_go_to_the_end_found_nothing(ended, tmpdir, changed, attributes):
    host, record, known = ended
    for name, text in attributes.items():
        tmpdir.join("sys/block/md0/md", name).write(text)
    check._note(host, record, is_asked=True)
    check.note_ends(host, [record.replace(**changed)])
    assert known()["done"] is None
    assert "found" not in known()


@pytest.mark.parametrize(
    "changed,days,told",
    [
        ({}, 83, 0),
        ({}, 84, 1),
        ({"health": "degraded"}, 900, 0),
        ({"level": "raid0", "health": "no_redundancy"}, 900, 0),
        ({"sync": Sync(action="check"), "health": "checking"}, 900, 0),
    ],
)
def test_what_is_long_overdue_is_told_of_once(ended, mocker, changed, days, told):
    host, record, _ = ended
    events = mocker.patch("xsraid.alerts.spool.add_event")
    known, now = {"u": {"since": 1e9}}, 1e9 + days * 86400
    limits = config.load_or_default(host)
    for _ in range(2):
        check._report_overdue(host, [record.replace(**changed)], known, now, limits)
    assert events.call_count == told
