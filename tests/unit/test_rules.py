"""One cause makes one alert; building and checking make none."""

from __future__ import absolute_import

import collections
import random

import pytest

from xsraid.alerts import messages, rules, spool
from xsraid.alerts.spool import Event
from xsraid.host.files import Host
from xsraid.md.levels import redundancy
from xsraid.md.state import Array, Member

UUID = "01234567:89abcdef:01234567:89abcdef"
DAY_S = 86400
EMPTY = Member(slot=1, state="missing", being_replaced=False)


def record(health="optimal", left=1, members=("sda", "sdb"), replaced=None, **more):
    described = [
        {"device": "/dev/" + name, "slot": slot, "serial": "S" + name, "model": "M", "by_id": None}
        for slot, name in enumerate(members)
    ]
    serving = [
        Member(
            device="/dev/" + name,
            slot=slot,
            serial="S" + name,
            state="active",
            being_replaced="/dev/" + name == replaced,
        )
        for slot, name in enumerate(members)
    ]
    found = Array(
        uuid=UUID,
        device="/dev/md0",
        name="md0",
        level="raid1",
        health=health,
        redundancy_left=left,
        mismatch_count=0,
        members=serving,
        described=described,
        configured=True,
        last_action="resync",
    )
    return found.replace(**more)


def event(name, component=None, at=0):
    return Event("/x", name, "/dev/md0", component, at)


class Story(object):
    """What happens to one host, told step by step; each returns the names of the alerts."""

    def __init__(self):
        self.memory, self.alerts, self.folded = {}, [], []

    def then(self, at, events=(), *records):
        self.alerts, self.memory, self.folded = rules.decide(
            list(map(rules.in_parts, events)),
            [one.replace() for one in records],
            self.memory,
            at,
            DAY_S,
        )
        return [alert["name"] for alert in self.alerts]


def whole():
    story = Story()
    assert story.then(0, [event("NewArray")], record()) == []
    return story


def test_a_failing_disk_is_one_alert_and_its_rebuild_another():
    story = whole()
    assert story.then(
        10, [event("Fail", "/dev/sdb", 10), event("DegradedArray", None, 10)], record("degraded", 0)
    ) == ["XSRAID_DISK_FAILED"]
    assert story.alerts[0]["component"] == "/dev/sdb"
    assert story.alerts[0]["time"] == 10
    assert story.alerts[0]["events"] == ["Fail", "DegradedArray"]
    assert story.folded == []
    assert (
        story.then(
            12,
            [event("Fail", "/dev/sdb", 12), event("DegradedArray", None, 12)],
            record("degraded", 0),
        )
        == []
    )
    assert story.folded == [(UUID, "Fail"), (UUID, "DegradedArray")]
    assert story.then(20, [event("RebuildStarted")], record("rebuilding", 0)) == []
    assert story.then(30, [event("Rebuild40")], record("rebuilding", 0)) == []
    assert story.then(
        40, [event("RebuildFinished"), event("SpareActive", "/dev/sdc")], record()
    ) == ["XSRAID_REBUILD_FINISHED"]
    assert story.then(50, [], record()) == []


def test_building_and_checking_alarm_nobody():
    """However long they take: an array that lacks a member is told of after ten seconds."""
    story = Story()
    assert (
        story.then(
            0,
            [event("NewArray"), event("DegradedArray"), event("RebuildStarted")],
            record("rebuilding", 0),
        )
        == []
    )
    for at in (9, 11, 30, 2 * DAY_S):
        assert story.then(at, [], record("rebuilding", 0)) == []
        assert not rules.needs_looking_after(story.memory, DAY_S)
    now = 2 * DAY_S
    assert (
        story.then(now + 9, [event("RebuildFinished"), event("SpareActive", "/dev/sdc")], record())
        == []
    )
    for health in ("checking", "resyncing"):
        assert story.then(now + 20, [event("RebuildStarted")], record(health)) == []
        assert (
            story.then(now + 60, [], record(health))
            == story.then(now + DAY_S, [], record(health))
            == []
        )
        assert not rules.needs_looking_after(story.memory, DAY_S)
        now += DAY_S
        assert story.then(now + 5, [event("RebuildFinished")], record()) == []


def test_a_first_resync_alarms_nobody():
    story = Story()
    for at in (0, 11, 60):
        assert story.then(at, [], record("resyncing", 1)) == []


def test_a_new_array_that_is_not_being_filled_does():
    """Somebody made it with a member missing."""
    story = Story()
    assert story.then(0, [event("NewArray")], record("degraded", 0)) == []
    assert story.then(10, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert not story.alerts[0]["is_reminder"]
    assert story.then(20, [], record()) == ["XSRAID_REBUILD_FINISHED"]
    assert not story.alerts[0]["is_reminder"]


def test_a_rebuild_of_an_array_that_was_whole_does():
    story = whole()
    assert story.then(10, [], record("rebuilding", 0)) == []
    assert story.then(20, [], record("rebuilding", 0)) == ["XSRAID_ARRAY_DEGRADED"]


def test_a_rebuild_after_a_failure_that_was_told_while_it_was_built_goes_on_being_watched():
    story = Story()
    story.then(0, [event("NewArray")], record("rebuilding", 0))
    assert story.then(5, [event("Fail", "/dev/sdb", 5)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]
    assert story.then(DAY_S + 6, [], record("rebuilding", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.alerts[0]["is_reminder"]


def test_strange_arrays_that_do_not_run_alarm_nobody():
    """Of an array without a line in mdadm.conf nobody has said that it should run."""
    for health in ("missing", "inactive"):
        story = whole()
        for at in (10, 20, DAY_S, 3 * DAY_S):
            assert story.then(at, [], record(health, 0, configured=False)) == []
        assert story.then(3 * DAY_S + 10, [], record(health, 0)) == []
        assert story.then(3 * DAY_S + 20, [], record(health, 0)) == ["XSRAID_ARRAY_MISSING"]
    story = whole()
    story.then(10, [], record("degraded", 0, configured=False))
    assert story.then(20, [], record("degraded", 0, configured=False)) == ["XSRAID_ARRAY_DEGRADED"]


def test_how_long_the_monitor_is_waited_for():
    for state, left, patience_s, name in (
        ("degraded", 0, 10, "XSRAID_ARRAY_DEGRADED"),
        ("failed", 0, 10, "XSRAID_ARRAY_FAILED"),
        ("missing", 0, 4, "XSRAID_ARRAY_MISSING"),
        ("inactive", 0, 4, "XSRAID_ARRAY_MISSING"),
    ):
        story = whole()
        assert (
            story.then(100, [], record(state, left))
            == story.then(100 + patience_s - 0.5, [], record(state, left))
            == []
        )
        assert story.memory[UUID]["untold_since"] == 100
        assert story.then(100 + patience_s, [], record(state, left)) == [name]


def test_a_clock_that_was_set_back_begins_the_wait_anew():
    story = whole()
    for at in (1000, 500, 509):
        assert story.then(at, [], record("degraded", 0)) == []
    assert story.then(510, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]


def test_raid0_is_not_waited_for():
    """The monitor does not watch it."""
    story = whole()
    assert story.then(100, [], record("failed", 0, level="raid0")) == ["XSRAID_ARRAY_FAILED"]
    assert story.then(101, [], record("failed", 0, level="raid0")) == []


def test_one_disk_is_told_of_once_a_minute():
    for later, names in (
        (0, []),
        (0.5, []),
        (59.5, []),
        (60, ["XSRAID_DISK_FAILED"]),
        (61, ["XSRAID_DISK_FAILED"]),
        (-0.5, ["XSRAID_DISK_FAILED"]),
    ):
        story = whole()
        assert story.then(1000, [event("Fail", "/dev/sdb", 1000)], record("degraded", 0)) == [
            "XSRAID_DISK_FAILED"
        ]
        assert (
            story.then(1000 + later, [event("Fail", "/dev/sdb", 1000)], record("degraded", 0))
            == names
        )


def test_a_minute_is_counted_from_the_last_time_whatever_the_time_is():
    story = whole()
    story.then(10, [event("Fail", "/dev/sdb", 10)], record("degraded", 0))
    assert story.then(75, [event("Fail", "/dev/sdb", 75)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]


def test_a_reminder_comes_once_a_day_and_when_the_clock_was_set_back():
    for later, is_due in (
        (DAY_S - 1, False),
        (DAY_S, True),
        (0, False),
        (-0.5, True),
        (-DAY_S, True),
    ):
        story = whole()
        story.then(1e6, [event("Fail", "/dev/sdb", 1e6)], record("degraded", 0))
        assert story.then(1e6 + later, [], record("degraded", 0)) == (
            ["XSRAID_ARRAY_DEGRADED"] if is_due else []
        )


def alarms(count, at=1e6, story=None):
    """So many alarms of different disks at one time; the story, and the names of the alerts."""
    story, names = story or whole(), []
    for turn in range(count):
        names += story.then(at, [event("Fail", "/dev/sd%d" % turn, at)], record("degraded", 0))
    return story, names


def test_six_alarms_in_an_hour():
    assert len(alarms(5)[1]) == 5
    assert len(alarms(6)[1]) == 6
    assert len(alarms(7)[1]) == 6
    for later, has_room in ((0, False), (0.5, False), (3599, False), (3600, True), (-0.5, True)):
        story, _ = alarms(7)
        assert len(alarms(1, 1e6 + later, story)[1]) == has_room


def test_what_was_held_back_is_told_when_there_is_room():
    story, _ = alarms(9)
    assert story.then(1e6 + 3600, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert (story.alerts[0]["folded"], story.alerts[0]["is_reminder"]) == (3, False)
    story, _ = alarms(9)
    assert story.then(1e6 + 100, [], record()) == []
    assert story.then(1e6 + 3600, [], record()) == ["XSRAID_REBUILD_FINISHED"]
    assert story.alerts[0]["is_reminder"] is False
    assert story.then(1e6 + 3601, [], record()) == []


def test_a_failed_array_is_never_held_back():
    story, _ = alarms(9)
    assert story.then(1e6 + 20, [event("Fail", "/dev/sdz", 1e6 + 20)], record("failed", 0)) == [
        "XSRAID_ARRAY_FAILED"
    ]
    assert story.then(1e6 + 30, [event("Fail", "/dev/sdy", 1e6 + 30)], record("degraded", 0)) == []


def test_tests_are_not_counted():
    story = whole()
    for _ in range(10):
        assert story.then(1e6, [event("TestMessage", None, 1e6)], record()) == ["XSRAID_TEST"]
    assert len(alarms(6, 1e6, story)[1]) == 6


def test_priorities():
    """Those of XAPI: mail-alarm mails up to 3."""
    assert rules.PRIORITIES == {
        "XSRAID_ARRAY_FAILED": 1,
        "XSRAID_ARRAY_MISSING": 1,
        "XSRAID_ARRAY_DIVERGED": 1,
        "XSRAID_DISK_FAILED": 2,
        "XSRAID_ARRAY_DEGRADED": 2,
        "XSRAID_SPARE_MISSING": 3,
        "XSRAID_MISMATCHES": 3,
        "XSRAID_DISK_WEAK": 3,
        "XSRAID_ARRAY_FROZEN": 3,
        "XSRAID_ARRAY_MISPLACED": 4,
        "XSRAID_CHECK_OVERDUE": 4,
        "XSRAID_MONITOR_DOWN": 2,
        "XSRAID_MONITOR_BACK": 5,
        "XSRAID_REBUILD_FINISHED": 5,
        "XSRAID_TEST": 5,
    }


def test_what_each_event_is_worth():
    """Of mdadm(8)'s events and our own, on a whole array; words that sort before and after them are
    none of them.
    """
    worth = {
        "Fail": "XSRAID_DISK_FAILED",
        "FailSpare": "XSRAID_DISK_FAILED",
        "SparesMissing": "XSRAID_SPARE_MISSING",
        "TestMessage": "XSRAID_TEST",
        "Misplaced": "XSRAID_ARRAY_MISPLACED",
        "DiskWeak": "XSRAID_DISK_WEAK",
        "CheckOverdue": "XSRAID_CHECK_OVERDUE",
        "RebuildFinished": "XSRAID_MISMATCHES",
        "MonitorDown": "XSRAID_MONITOR_DOWN",
        "MonitorBack": "XSRAID_MONITOR_BACK",
    }
    for name in list(worth) + [
        "",
        "A",
        "NewArray",
        "RebuildStarted",
        "Rebuild40",
        "SpareActive",
        "MoveSpare",
        "DegradedArray",
        "DeviceDisappeared",
        "Replacing",
        "zzz",
        "Unheard",
    ]:
        names = whole().then(
            10, [event(name, "/dev/sdb x", 10)], record(mismatch_count=8, last_action="check")
        )
        assert names == ([worth[name]] if name in worth else []), name


def test_what_our_own_events_say():
    story = whole()
    story.then(10, [event("Misplaced", "it should be md1, but it is not", 10)], record())
    assert [(alert["component"], alert["meaning"]) for alert in story.alerts] == [
        (None, "it should be md1, but it is not")
    ]
    story = whole()
    story.then(10, [event("Fail", "/dev/sdb", 10)], record("degraded", 0))
    assert [
        (alert["component"], alert["meaning"], alert["is_reminder"]) for alert in story.alerts
    ] == [("/dev/sdb", None, False)]
    story = whole()
    story.then(
        10,
        [event("RebuildFinished", " mismatches found: 8", 10)],
        record(mismatch_count=8, last_action="check"),
    )
    assert [(alert["component"], alert["meaning"]) for alert in story.alerts] == [
        (None, " mismatches found: 8")
    ]


@pytest.mark.parametrize(
    "name,component,meaning",
    [
        ("Misplaced", None, "it should be md1"),
        ("Diverged", None, "parts ran apart"),
        ("DiskWeak", "/dev/sdb", "its own verdict is FAILED!"),
        ("RebuildFinished", None, " mismatches found: 8"),
        ("MonitorDown", None, None),
        ("Fail", "/dev/sdb", None),
    ],
)
def test_a_component_is_a_member_or_none(tmpdir, name, component, meaning):
    """Also of an event that an older release has left in the spool, and of mdadm's own."""
    now = Event("/x", name, "/dev/md0", component, 0, meaning)
    assert rules.in_parts(now) == now
    older = now._replace(component=" ".join(filter(None, [component, meaning])), meaning=None)
    assert rules.in_parts(older) == now or name == "MonitorDown"
    host = Host(str(tmpdir))
    spool.add_event(host, name, "/dev/md0", 5, component, meaning)
    (event_there,) = spool.events(host)
    assert event_there[1:] == (name, "/dev/md0", component, 5, meaning)


def test_no_mismatches_are_no_alert():
    found = [event("RebuildFinished", "x")]
    assert whole().then(10, found, record(mismatch_count=0, last_action="check")) == []
    assert (
        whole().then(10, [event("RebuildFinished")], record(mismatch_count=8, last_action="check"))
        == []
    )
    assert whole().then(10, found, record(mismatch_count=8, last_action="repair")) == [
        "XSRAID_MISMATCHES"
    ]


def test_what_is_worse_is_told_and_what_is_better_is_not():
    """By the priority of its name, and by the redundancy that is left."""
    story = Story()
    story.then(0, [], record("optimal", 2))
    assert story.then(1e6, [event("Fail", "/dev/sda", 1e6)], record("degraded", 1)) == [
        "XSRAID_DISK_FAILED"
    ]
    for at, health, left, names in (
        (20, "degraded", 0, ["XSRAID_ARRAY_DEGRADED"]),
        (60, "rebuilding", 1, []),
        (100, "failed", 0, ["XSRAID_ARRAY_FAILED"]),
        (140, "degraded", 1, []),
        (180, "missing", 0, ["XSRAID_ARRAY_MISSING"]),
        (220, "optimal", 2, ["XSRAID_REBUILD_FINISHED"]),
    ):
        assert (
            story.then(1e6 + at, [], record(health, left))
            + story.then(1e6 + at + 11, [], record(health, left))
            == names
        ), health


def test_a_test_whose_array_has_gone_stands_for_nothing():
    story = whole()
    assert story.then(10, [event("Fail", "/dev/sda", 10)]) == ["XSRAID_DISK_FAILED"]


def test_an_array_that_is_away_when_its_disk_fails_counts_as_one_without_redundancy():
    """What is then found is no worse."""
    other = record().replace(uuid="f" * 32, device="/dev/md1")
    story = Story()
    story.then(0, [], record(), other)
    assert story.then(10, [event("Fail", "/dev/sda", 10)], other) == ["XSRAID_DISK_FAILED"]


def test_events_of_other_arrays_are_not_told_of_one():
    """Whichever uuid comes first."""
    for letter in "0f":
        other = record().replace(uuid=letter * 8 + UUID[8:], device="/dev/md1")
        story = Story()
        story.then(0, [], record(), other)
        asides = [
            event("DegradedArray"),
            event("RebuildStarted")._replace(device="/dev/md1"),
            event("SpareActive")._replace(device="/dev/md7"),
        ]
        assert story.then(
            10, [event("Fail", "/dev/sdb", 10)] + asides, record("degraded", 0), other
        ) == ["XSRAID_DISK_FAILED"]
        assert story.alerts[0]["events"] == ["Fail", "DegradedArray"]
        assert story.folded == [(other.uuid, "RebuildStarted")]


def test_an_event_that_tells_nothing_is_not_folded():
    story = whole()
    story.then(
        10, [event("NewArray"), event("Rebuild20"), event("Replacing", "/dev/sdb")], record()
    )
    assert story.folded == []


def test_two_members_that_are_replaced_at_once():
    """The failure of one uses up its own mark alone, and one that nobody replaces is told."""
    names = ("sda", "sdb", "sdc", "sdd")
    for first, second in (("/dev/sda", "/dev/sdb"), ("/dev/sdb", "/dev/sda")):
        faulty = record("optimal", 1, names)
        for member in faulty.members:
            member.state = "faulty" if member.device in (first, second) else "active"
        story = whole()
        story.then(10, [event("Replacing", first), event("Replacing", second)], faulty)
        assert sorted(story.memory[UUID]["replaced"]) == ["/dev/sda", "/dev/sdb"]
        assert (
            story.then(20, [event("Fail", first)], faulty)
            == story.then(30, [event("Fail", second)], faulty)
            == []
        )
        assert story.memory[UUID]["replaced"] == []
        assert story.then(40, [event("Fail", "/dev/sdc")], faulty) == ["XSRAID_DISK_FAILED"]


def test_only_what_is_being_replaced_or_was_and_is_faulty_stays_marked():
    for state, stays in (("active", False), ("faulty", True), ("spare", False), ("aged", False)):
        now = record("optimal", 1)
        now.members[1].state = state
        story = whole()
        story.then(10, [event("Replacing", "/dev/sdb"), event("Replacing", "/dev/sdb")], now)
        assert story.memory[UUID]["replaced"] == (["/dev/sdb"] if stays else []), state


def test_no_other_event_marks_a_member_as_being_replaced():
    now = record("optimal", 1)
    now.members[1].state = "faulty"
    for name in ("MoveSpare", "NewArray", "SpareActive", "Unheard"):
        story = whole()
        story.then(10, [event(name, "/dev/sdb")], now)
        assert story.memory[UUID]["replaced"] == [], name


def test_a_mirror_that_has_more_redundancy_than_before_while_it_is_rebuilt():
    story = whole()
    assert (
        story.then(10, [], record("rebuilding", 2))
        == story.then(30, [], record("rebuilding", 2))
        == []
    )


def test_a_member_that_failed_keeps_the_slot_that_it_had():
    story = whole()
    failed = record("degraded", 0)
    failed.described[1]["slot"] = failed.members[1].slot = None
    story.then(10, [event("Fail", "/dev/sdb", 10)], failed)
    assert [(one["device"], one["slot"]) for one in story.memory[UUID]["members"]] == [
        ("/dev/sda", 0),
        ("/dev/sdb", 1),
    ]
    moved = record("degraded", 0, ("sdb", "sda"))
    story.then(20, [], moved)
    assert [(one["device"], one["slot"]) for one in story.memory[UUID]["members"]] == [
        ("/dev/sda", 1),
        ("/dev/sdb", 0),
    ]


def test_members_that_are_gone_and_were_not_told_of_are_forgotten():
    """A pulled disk whose slot is empty, or whose failure was told, is remembered, no other."""

    def seen_without_sdb(slot_is_empty, events):
        story = whole()
        now = record("degraded", 0, ("sda",))
        if slot_is_empty:
            now.members.append(EMPTY)
        story.then(10, events, now)
        return [one["device"] for one in story.memory[UUID]["members"]]

    assert (
        seen_without_sdb(True, [])
        == seen_without_sdb(False, [event("Fail", "/dev/sdb", 10)])
        == ["/dev/sda", "/dev/sdb"]
    )
    assert seen_without_sdb(False, []) == ["/dev/sda"]


def test_an_array_is_remembered_by_its_node_and_name():
    fresh = rules._fresh("/dev/md/store")
    assert (fresh["device"], fresh["name"], fresh["was_whole"], fresh["full"], fresh["held"]) == (
        "/dev/md/store",
        "store",
        False,
        None,
        0,
    )


def test_mismatches_that_a_check_found_are_told_but_not_those_of_a_first_resync():
    """md counts them then, too, where the disks were not blank; mdadm's event is the same."""
    story = whole()
    found = [event("RebuildFinished", " mismatches found: 128 (on raid level 1)")]
    assert story.then(10, found, record(mismatch_count=128, last_action="resync")) == []
    assert story.then(20, found, record(mismatch_count=128, last_action="check")) == [
        "XSRAID_MISMATCHES"
    ]
    assert story.then(30, found, record(mismatch_count=128, last_action=None)) == [
        "XSRAID_MISMATCHES"
    ]


def test_a_disk_that_fails_while_the_array_is_built_does():
    story = Story()
    story.then(0, [event("NewArray")], record("rebuilding", 0))
    assert story.then(5, [event("Fail", "/dev/sdb", 5)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]


def test_what_the_monitor_never_told_is_seen():
    story = whole()
    assert story.then(10, [], record("degraded", 0)) == []
    assert story.then(20, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.then(30, [], record("failed", 0)) == []
    assert story.then(40, [], record("failed", 0)) == ["XSRAID_ARRAY_FAILED"]
    assert story.then(50, [], record("failed", 0)) == []
    assert whole().then(10, [], record("failed", 0, level="raid0")) == ["XSRAID_ARRAY_FAILED"]
    story = whole()
    assert story.then(10, [], record("missing", 0)) == []
    assert rules.needs_looking_after(story.memory, 0)
    assert story.then(15, [], record("missing", 0)) == ["XSRAID_ARRAY_MISSING"]
    assert story.then(20, [], record("inactive", 0, configured=False)) == []


def test_a_pulled_disk_that_the_monitor_names_a_second_later_is_one_alert():
    story = whole()
    assert story.then(10, [], record("degraded", 0)) == []
    assert rules.needs_looking_after(story.memory, 0)
    assert story.then(11, [event("Fail", "/dev/sdb", 11)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]
    assert story.then(30, [], record("degraded", 0)) == []


def test_a_second_disk_is_told_of_too():
    story = whole()
    assert story.then(10, [event("Fail", "/dev/sda", 10)], record("degraded", 1)) == [
        "XSRAID_DISK_FAILED"
    ]
    assert story.then(11, [event("Fail", "/dev/sdb", 11)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]


def test_a_degraded_array_is_reminded_of_once_a_day():
    story = whole()
    story.then(10, [event("Fail", "/dev/sdb", 10)], record("degraded", 0))
    assert story.then(DAY_S, [], record("degraded", 0)) == []
    assert story.then(DAY_S + 20, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.alerts[0]["is_reminder"]
    assert story.then(DAY_S + 30, [], record("degraded", 0)) == []
    assert rules.needs_looking_after(story.memory, DAY_S)
    assert not rules.needs_looking_after(story.memory, 0)


def test_a_flapping_disk_is_bounded_and_what_was_held_back_is_counted():
    story = whole()
    names = []
    for turn in range(50):
        at = 100 * turn
        names += story.then(
            at if at < 3000 else 3000,
            [event("Fail", "/dev/sd%d" % turn, at)],
            record("degraded", 0),
        )
    assert len(names) == rules.HOURLY_MAX
    assert rules.needs_looking_after(story.memory, 0)
    assert story.then(8000, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.alerts[0]["folded"] == 50 - rules.HOURLY_MAX


def test_what_is_known_of_a_disk_outlives_it():
    story = whole()
    gone = record("degraded", 0, members=("sda",))
    gone.members.append(EMPTY)
    story.then(10, [event("Fail", "/dev/sdb", 10)], gone)
    assert [member["serial"] for member in story.memory[UUID]["members"]] == ["Ssda", "Ssdb"]


def test_an_array_that_is_gone_for_good_is_forgotten():
    story = whole()
    assert story.then(10, [event("DeviceDisappeared")]) == []
    assert story.memory == {}


def test_words_say_what_is_left_and_cannot_carry_a_second_line():
    alert = {
        "name": "XSRAID_DISK_FAILED",
        "device": "/dev/md0",
        "component": "/dev/sdb\nBcc: x",
        "time": 0,
        "folded": 3,
        "is_reminder": False,
    }
    facts = {
        "host": "h",
        "host_uuid": None,
        "pool": None,
        "record": record("degraded", 0),
        "member": None,
        "absent": None,
        "sr": None,
        "vm_count": None,
        "smart": None,
        "mdstat": [],
    }
    assert "\n" not in messages.subject(alert, facts)
    assert messages.subject(alert, facts).startswith("[xsraid] XSRAID_DISK_FAILED: disk /dev/sdb")
    assert "No redundancy left" in messages.body(alert, facts)
    assert "3 more alerts" in messages.body(alert, facts)
    assert "\nBcc" not in messages.body(alert, facts)


def test_a_member_that_was_replaced_while_it_served_alarms_nobody():
    story = whole()
    story.then(
        10,
        [event("RebuildStarted")],
        record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sdb"),
    )
    assert (
        story.then(
            20,
            [event("Fail", "/dev/sdb"), event("RebuildFinished")],
            record("optimal", 1, ("sda", "sdc", "sdb")),
        )
        == []
    )
    assert story.then(
        100, [event("Fail", "/dev/sdb")], record("optimal", 1, ("sda", "sdc", "sdb"))
    ) == ["XSRAID_DISK_FAILED"]


def test_a_replacement_that_is_over_before_anybody_looks_alarms_nobody():
    story = whole()
    events = [
        event("Replacing", "/dev/sdb"),
        event("RebuildStarted"),
        event("Fail", "/dev/sdb"),
        event("RebuildFinished"),
    ]
    assert story.then(20, events, record("optimal", 1, ("sda", "sdc", "sdb"))) == []


def test_another_disk_has_the_name_of_one_that_was_being_replaced_before_a_reboot():
    story = whole()
    story.then(
        10,
        [event("RebuildStarted")],
        record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sdb"),
    )
    story.then(
        20, [event("NewArray")], record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sda")
    )
    assert story.then(30, [event("Fail", "/dev/sdb")], record("optimal", 1, ("sdc", "sda"))) == [
        "XSRAID_DISK_FAILED"
    ]


def test_a_member_that_dies_while_it_is_replaced_does():
    story = whole()
    story.then(
        10,
        [event("RebuildStarted")],
        record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sdb"),
    )
    assert story.then(20, [event("Fail", "/dev/sdb")], record("degraded", 0, ("sda", "sdc"))) == [
        "XSRAID_DISK_FAILED"
    ]


def test_a_disk_that_is_taken_in_again_and_fails_again_is_named_again():
    story = whole()
    assert story.then(10, [event("Fail", "/dev/sdb", 10)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]
    assert story.then(
        14, [event("RebuildFinished"), event("SpareActive", "/dev/sdb")], record()
    ) == ["XSRAID_REBUILD_FINISHED"]
    assert story.then(18, [event("Fail", "/dev/sdb", 18)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]


def test_a_mirror_that_grows_alarms_nobody():
    """It lacks a member for a moment, but none that it had."""
    story = whole()
    assert (
        story.then(10, [event("DegradedArray")], record("degraded", 1, ("sda", "sdb", "sdc"))) == []
    )
    assert (
        story.then(20, [event("RebuildStarted")], record("rebuilding", 1, ("sda", "sdb", "sdc")))
        == []
    )
    assert (
        story.then(30, [event("RebuildFinished")], record("optimal", 2, ("sda", "sdb", "sdc")))
        == []
    )


def test_a_weak_disk_is_told_of_with_what_smart_said():
    story = whole()
    assert story.then(
        10, [event("DiskWeak", "/dev/sdb its own verdict is FAILED!", 10)], record()
    ) == ["XSRAID_DISK_WEAK"]
    (alert,) = story.alerts
    assert (alert["component"], alert["meaning"]) == ("/dev/sdb", "its own verdict is FAILED!")
    facts = {"host": "h", "host_uuid": None, "record": record(), "member": None}
    assert (
        "still serves, but SMART tells: its own verdict is FAILED!. Replace it while it serves:"
        in messages.short(alert, facts)
    )


@pytest.mark.parametrize("health", ["degraded", "rebuilding"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_disk_that_failed_while_nobody_watched_is_named(health, is_known):
    """Such as within a second of the array's birth, or while the monitor was dead: then it tells
    DegradedArray and no more.
    """
    story = whole() if is_known else Story()
    now = record(health, 0, ("sda", "sdb", "sdc"))
    now.members[1].state = "faulty"
    if not is_known:
        now.health = "degraded"
    assert story.then(10, [event("DegradedArray", None, 10)], now) == []
    assert story.then(30, [], now) == ["XSRAID_DISK_FAILED"]
    assert story.alerts[0]["component"] == "/dev/sdb"
    assert story.alerts[0]["events"] == []
    assert story.then(32, [event("Fail", "/dev/sdb", 32)], now) == story.then(50, [], now) == []
    assert story.then(90, [], record("optimal", 1)) == ["XSRAID_REBUILD_FINISHED"]


def test_a_disk_that_is_faulty_on_purpose_is_not_told_of_as_failed():
    story = whole()
    now = record("degraded", 0)
    now.members[1].state = "faulty"
    story.then(5, [event("Replacing", "/dev/sdb", 5)], record(replaced="/dev/sdb"))
    assert story.then(30, [], now) == []
    assert story.then(50, [], now) == ["XSRAID_ARRAY_DEGRADED"]


def test_a_frozen_array_is_an_alert_after_ten_minutes():
    story = whole()
    assert story.then(1e6, [], record("frozen", 1)) == []
    assert story.then(1e6 + 599, [], record("frozen", 1)) == []
    assert story.then(1e6 + 601, [], record("frozen", 1)) == ["XSRAID_ARRAY_FROZEN"]
    assert story.then(1e6 + 700, [], record("frozen", 1)) == []
    assert story.then(1e6 + 800, [], record()) == ["XSRAID_REBUILD_FINISHED"]


@pytest.mark.parametrize("health", ["container", "read_only", "unknown"])
def test_what_is_no_fault_is_no_alert(health):
    story = whole()
    for later in (0, 20, 4000):
        assert story.then(1e6 + later, [], record(health, 0)) == []


def test_an_array_in_two_versions_is_told_of_at_once_whatever_was_told_before():
    story = whole()
    for hour in range(10):
        said = "Parts of it ran apart %d." % hour
        assert "XSRAID_ARRAY_DIVERGED" in story.then(
            100 + hour, [event("Diverged", said, 100 + hour)], record("degraded", 0)
        )
        alert = next(alert for alert in story.alerts if alert["name"] == "XSRAID_ARRAY_DIVERGED")
        assert alert["meaning"] == said
        assert alert["component"] is None
        assert rules.PRIORITIES[alert["name"]] == 1
        facts = {"host": "dom0", "host_uuid": "h", "record": None, "member": None}
        assert said in messages.short(alert, facts)
        assert messages.subject(alert, facts).startswith(
            "[xsraid] XSRAID_ARRAY_DIVERGED: array in two versions"
        )


@pytest.mark.parametrize("health", ["missing", "inactive"])
def test_an_array_that_is_not_started_as_it_awaits_members_is_told_of_once(health):
    """That it is missing is no second alert; that it is back is told, and another loss."""
    story = whole()
    said = [event("Diverged", "It awaits its other members.", 100)]
    assert story.then(100, said, record(health, 0)) == ["XSRAID_ARRAY_DIVERGED"]
    for later in (130, 200, 4000):
        assert story.then(later, [], record(health, 0)) == []
    assert story.then(5000, [], record()) == ["XSRAID_REBUILD_FINISHED"]
    assert story.then(6000, [], record(health, 0)) == []
    assert story.then(6300, [], record(health, 0)) == ["XSRAID_ARRAY_MISSING"]


def test_a_failed_array_in_two_versions_is_told_of_as_both():
    story = whole()
    said = [event("Diverged", "Parts of it ran apart.", 100)]
    assert sorted(
        story.then(100, said, record("failed", 0)) + story.then(200, [], record("failed", 0))
    ) == [
        "XSRAID_ARRAY_DIVERGED",
        "XSRAID_ARRAY_FAILED",
    ]


def test_an_array_that_lacks_a_member_and_is_frozen_is_told_of_once_more():
    """It was told that it is degraded; that no spare takes over is news."""
    story = whole()
    assert story.then(
        1e6, [event("Fail", "/dev/sdb", 1e6)], record("degraded", 0, frozen=True)
    ) == ["XSRAID_DISK_FAILED"]
    assert rules.needs_looking_after(story.memory, 0)
    assert story.then(1e6 + 599, [], record("degraded", 0, frozen=True)) == []
    assert story.then(1e6 + 601, [], record("degraded", 0, frozen=True)) == ["XSRAID_ARRAY_FROZEN"]
    assert not rules.needs_looking_after(story.memory, 0)
    assert story.then(1e6 + 1300, [], record("degraded", 0, frozen=True)) == []
    assert story.then(1e6 + DAY_S + 20, [], record("degraded", 0, frozen=True)) == [
        "XSRAID_ARRAY_DEGRADED"
    ]
    assert story.alerts[0]["is_reminder"]
    assert story.then(1e6 + DAY_S + 30, [], record("rebuilding", 0)) == []
    assert story.then(1e6 + DAY_S + 40, [], record()) == ["XSRAID_REBUILD_FINISHED"]


@pytest.mark.parametrize("health", ["degraded", "rebuilding", "resyncing"])
@pytest.mark.parametrize(
    ("kept", "way_out"),
    [
        ("frozen", "echo idle > /sys/block/md0/md/sync_action"),
        ("sync_held", "echo max > /sys/block/md0/md/sync_max"),
    ],
)
def test_a_repair_that_somebody_keeps_from_going_on_is_told_of_after_ten_minutes(
    health, kept, way_out
):
    story, now = whole(), record(health, 0, **{kept: True})
    story.then(1e6, [event("Fail", "/dev/sdb", 1e6)], now)
    assert "XSRAID_ARRAY_FROZEN" not in story.then(1e6 + 20, [], now) + story.then(
        1e6 + 599, [], now
    )
    assert story.then(1e6 + 601, [], now) == ["XSRAID_ARRAY_FROZEN"]
    assert way_out in messages.short(
        story.alerts[0], {"host": "dom0", "host_uuid": "h", "record": now, "member": None}
    )
    assert story.then(1e6 + 700, [], now) == []


@pytest.mark.parametrize("health", ["checking", "optimal"])
def test_a_check_that_somebody_holds_is_no_alert(health):
    story = whole()
    assert [
        story.then(1e6 + later, [], record(health, 1, sync_held=True)) for later in (0, 601, 4000)
    ] == [[], [], []]


def test_redundancy_that_came_back_and_is_lost_again_is_told_of_again():
    """RAID6: two disks gone, one of them replaced, another gone. Before the second is back it is
    told of once.
    """
    story = Story()
    assert story.then(0, [], record(left=2)) == []
    assert story.then(1e6, [], record("degraded", 0)) == []
    assert story.then(1e6 + 20, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert [
        story.then(1e6 + later, [], record("rebuilding", left))
        for later, left in ((100, 0), (200, 1), (300, 1))
    ] == [[], [], []]
    assert story.then(1e6 + 400, [], record("degraded", 0)) == []
    assert story.then(1e6 + 420, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.then(1e6 + 500, [], record("degraded", 0)) == []


def test_the_container_of_firmware_raid_that_is_away_is_no_alert():
    story = whole()
    assert [
        story.then(1e6 + later, [], record("missing", 0, level="container"))
        for later in (0, 20, 4000)
    ] == [[], [], []]


def test_an_array_that_is_frozen_for_a_moment_while_it_lacks_a_member_is_not():
    story = whole()
    story.then(1e6, [event("Fail", "/dev/sdb", 1e6)], record("degraded", 0, frozen=True))
    for later in range(500, 3000, 500):  # somebody works on it with mdadm, again and again
        assert story.then(1e6 + later, [], record("degraded", 0)) == []
        assert story.then(1e6 + later + 1, [], record("degraded", 0, frozen=True)) == []
    assert story.then(1e6, [], record("degraded", 0, frozen=True)) == []  # the clock was put back
    assert story.then(1e6 + 599, [], record("degraded", 0, frozen=True)) == []
    assert story.then(1e6 + 600, [], record("degraded", 0, frozen=True)) == ["XSRAID_ARRAY_FROZEN"]


def test_what_an_earlier_version_remembered_of_an_array_is_enough():
    story = whole()
    for known in story.memory.values():
        del known["frozen_since"], known["is_frozen_told"]
    assert not rules.needs_looking_after(story.memory, DAY_S)
    assert story.then(1e6, [], record("degraded", 0, frozen=True)) == []
    assert rules.needs_looking_after(story.memory, 0)


def without(slot, health="degraded", there=("/dev/sda", "/dev/sdc"), left=0, **more):
    """Return the record of an array whose member of a slot has been pulled; there: the nodes that
    the host has.
    """
    found = record(health, left, there=list(there), **more)
    gone = Member(slot=slot, state="missing", being_replaced=False)
    found.members = [member for member in found.members if member.slot != slot] + [gone]
    found.described = [
        dict(member, state="active") for member in found.described if member["slot"] != slot
    ]
    return found


def seen_whole():
    story, before = Story(), record(there=["/dev/sda", "/dev/sdb", "/dev/sdc"])
    before.described = [dict(member, state="active") for member in before.described]
    assert story.then(0, [], before) == []
    return story


def test_a_pulled_disk_is_told_of_at_once_and_by_name():
    """The monitor names it seconds later; that is no other alert."""
    story = seen_whole()
    assert story.then(100, [], without(1)) == ["XSRAID_DISK_FAILED"]
    assert story.alerts[0]["component"] == "/dev/sdb"
    assert story.alerts[0]["time"] == 100
    assert story.alerts[0]["events"] == []
    (member,) = [
        member for member in story.memory[UUID]["members"] if member["device"] == "/dev/sdb"
    ]
    assert member["serial"] == "Ssdb"
    assert member["slot"] == 1
    for later, events in (
        (105, []),
        (121, [event("Fail", "/dev/sdb", 121), event("DegradedArray", None, 121)]),
        (400, []),
    ):
        assert story.then(later, events, without(1)) == []
    assert story.then(500, [], record()) == ["XSRAID_REBUILD_FINISHED"]


def test_a_member_that_a_boot_lacks_is_not_told_of_by_a_name_that_another_disk_has_now():
    story = seen_whole()
    assert story.then(100, [], without(1, there=("/dev/sda", "/dev/sdb"))) == []
    assert story.then(111, [], without(1, there=("/dev/sda", "/dev/sdb"))) == [
        "XSRAID_ARRAY_DEGRADED"
    ]


def test_a_member_that_a_boot_lacks_is_named_by_what_was_known_of_it_though_another_member_has_its_node():  # noqa: E501
    story, disks = Story(), ["/dev/sda", "/dev/sdb", "/dev/sdc"]
    before = record(left=2, members=("sda", "sdb", "sdc"), there=disks)
    before.described = [
        dict(member, state="active", by_id="/dev/disk/by-id/" + member["serial"])
        for member in before.described
    ]
    assert story.then(0, [], before) == []
    booted = without(1, left=1, members=("sda", "sdb", "sdc"), there=disks[:2])
    booted.described[1] = dict(booted.described[1], device="/dev/sdb")
    booted.members[1].device = "/dev/sdb"
    assert story.then(100, [event("DegradedArray")], booted) == []
    assert story.then(111, [], booted) == ["XSRAID_ARRAY_DEGRADED"]
    (absent,) = story.memory[UUID]["absent"]
    assert (absent["slot"], absent["serial"]) == (1, "Ssdb")
    facts = {"host": "h", "host_uuid": None, "record": booted, "member": None, "absent": [absent]}
    assert (
        "It is without the disk of slot 1: M, serial number Ssdb, /dev/disk/by-id/Ssdb."
        in messages.short(story.alerts[0], facts)
    )
    assert story.then(111 + DAY_S, [], booted) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.memory[UUID]["absent"] == [absent]
    assert story.then(3 * DAY_S, [], before) == ["XSRAID_REBUILD_FINISHED"]
    assert story.memory[UUID]["absent"] == []


def test_a_disk_that_failed_before_a_boot_is_what_the_array_is_without():
    """It is there, and its letter may have changed."""
    story = seen_whole()
    story.then(10, [event("Fail", "/dev/sdb", 10)], without(1, there=("/dev/sda", "/dev/sdb")))
    story.then(20, [], without(1, there=("/dev/sda", "/dev/sdb")))
    assert [member["serial"] for member in story.memory[UUID]["absent"]] == ["Ssdb"]
    assert story.then(30, [], record(health="missing").replace(members=[], described=[])) in (
        [],
        ["XSRAID_ARRAY_MISSING"],
    )
    assert [member["serial"] for member in story.memory[UUID]["absent"]] == ["Ssdb"]


def test_of_a_disk_that_told_nothing_its_last_node_is_told():
    alert = {
        "name": "XSRAID_ARRAY_DEGRADED",
        "device": "/dev/md0",
        "component": None,
        "time": 0,
        "folded": 0,
        "is_reminder": False,
    }
    facts = {
        "host": "h",
        "host_uuid": None,
        "record": record("degraded", 0),
        "member": None,
        "absent": [{"device": "/dev/sdb", "slot": 1}],
    }
    assert "slot 1: it was /dev/sdb when it was last seen. No redundancy left" in messages.short(
        alert, facts
    )


def test_a_spare_or_a_disk_that_had_failed_is_not_told_of_as_pulled():
    story = seen_whole()
    assert story.then(100, [event("Fail", "/dev/sdb", 100)], record("degraded", 0)) == [
        "XSRAID_DISK_FAILED"
    ]
    assert story.then(3000, [], without(1)) == []


def test_what_is_known_of_a_disk_is_not_replaced_by_nothing():
    """md lists a pulled disk until somebody writes to it; then it has no slot any more."""
    story = seen_whole()
    later = record("degraded", 0, there=["/dev/sda"])
    later.described[1].update(serial=None, model=None, by_id=None, slot=None, state="faulty")
    story.then(100, [event("Fail", "/dev/sdb", 100)], later)
    (member,) = [
        member for member in story.memory[UUID]["members"] if member["device"] == "/dev/sdb"
    ]
    assert (member["serial"], member["model"], member["slot"]) == ("Ssdb", "M", 1)


def test_what_is_known_of_a_disk_is_replaced_by_what_another_of_its_name_says():
    story = seen_whole()
    later = record()
    later.described[1].update(serial="another", model=None)
    story.then(100, [], later)
    (member,) = [
        member for member in story.memory[UUID]["members"] if member["device"] == "/dev/sdb"
    ]
    assert (member["serial"], member["model"]) == ("another", None)


@pytest.mark.parametrize("name", ["/dev/md/data", "/dev/md0", "/dev/disk/by-id/md-name-any:data"])
def test_the_monitor_may_call_an_array_by_any_of_its_names(name):
    """Also when it has gone since."""
    nodes = ["/dev/md0", "/dev/md/data", "/dev/disk/by-id/md-name-any:data"]
    story = Story()
    assert story.then(0, [], record(nodes=nodes)) == []
    for count, records in (
        (1, [record("degraded", 0, nodes=nodes)]),
        (200, [record("degraded", 0, nodes=nodes)]),
    ):
        events = [event("Fail", "/dev/sdb", 10)._replace(device=name) for _ in range(count)]
        names = story.then(10, events, *records)
        assert names == (["XSRAID_DISK_FAILED"] if count == 1 else [])
    assert story.memory[UUID]["nodes"] == nodes


def test_that_the_monitor_does_not_run_is_told_without_an_array():
    story = whole()
    assert story.then(
        10, [event("MonitorDown", None, 10)._replace(device="mdmonitor.service")], record()
    ) == ["XSRAID_MONITOR_DOWN"]
    (alert,) = story.alerts
    nothing = dict.fromkeys(("record", "member", "sr", "vm_count", "smart", "pool", "mdstat"))
    facts = dict(nothing, host="dom0", host_uuid="h")
    assert alert["uuid"] is None
    assert "systemctl status mdmonitor.service" in messages.short(alert, facts) + messages.body(
        alert, facts
    )
    assert (
        messages.subject(alert, facts)
        == "[xsraid] XSRAID_MONITOR_DOWN: mdadm's monitor does not run, mdmonitor.service on dom0"
    )


def with_spare(there=("/dev/sda", "/dev/sdb", "/dev/sdc"), spare="sdc", **more):
    found = record(there=list(there), members=("sda", "sdb") + ((spare,) if spare else ()), **more)
    for member, described in zip(found.members, found.described):
        if member.device == "/dev/sdc":
            member.state, member.slot = "spare", None
            described["slot"] = None
        described["state"] = member.state
    return found


def test_a_spare_that_is_pulled_is_told_of_once():
    story = Story()
    assert story.then(0, [], with_spare()) == []
    gone = with_spare(there=("/dev/sda", "/dev/sdb"), spare=None)
    assert story.then(10, [], gone) == ["XSRAID_SPARE_MISSING"]
    for later in (20, 4000):
        assert story.then(later, [event("SparesMissing", None, later)], gone) == []
    assert story.then(5000, [], with_spare()) == []
    assert story.then(5100, [], gone) == ["XSRAID_SPARE_MISSING"]


def test_a_spare_that_takes_over_or_is_taken_out_is_none_that_is_missing():
    story = Story()
    assert story.then(0, [], with_spare()) == []
    took_over = record(members=("sda", "sdc"), there=["/dev/sda", "/dev/sdb", "/dev/sdc"])
    assert story.then(10, [], took_over) == []
    story = Story()
    assert story.then(0, [], with_spare()) == []
    assert story.then(10, [], with_spare(spare=None)) == []


def test_what_the_monitor_says_of_spares_at_each_start_is_told_once():
    story = whole()
    assert story.then(10, [event("SparesMissing", None, 10)], record()) == ["XSRAID_SPARE_MISSING"]
    assert [
        story.then(later, [event("SparesMissing", None, later)], record())
        for later in (100, DAY_S, 2 * DAY_S)
    ] == [[], [], []]


def lacking(*slots, **more):
    """A RAID10 of four whose members in these slots are away since it was started."""
    found = record(members=("sda", "sdb", "sdc", "sdd"), **more)
    for slot in slots:
        found.members[slot] = Member(slot=slot, state="missing")
    here = [member.slot for member in found.members if member.device]
    return found.replace(
        described=[seen for seen in found.described if seen["slot"] in here],
        # A boot may give the node of what is away to another disk.
        there=["/dev/sda", "/dev/sdb", "/dev/sdc", "/dev/sdd"],
    )


def later(story, at, found):
    """Return what is told of an array that is seen for longer than anybody waits."""
    return story.then(at, [], found) + story.then(at + 20, [], found)


@pytest.mark.parametrize(
    "boots",
    [
        [((0,), 1), ((0, 2), 1), ((0, 2), 0)],
        [((0,), 1), ((1,), 1), ((1,), 0), ((0,), 1)],
        [((0, 2), 1), ((0,), 0), ((0, 2), 1)],
        [((0,), 1), ((0, 3), 1), ((3,), 0), ((0, 3), 1)],
    ],
)
def test_another_loss_with_the_same_redundancy_left_is_another_alert(boots):
    """A RAID10 of four, by the slots that are empty at each boot: one more failure, of the wrong
    disk, loses data in each case.
    """
    story = Story()
    assert story.then(0, [], lacking()) == []
    for number, (slots, is_news) in enumerate(boots):
        told = later(story, 100 * (number + 1), lacking(*slots, health="degraded", left=0))
        assert told == ["XSRAID_ARRAY_DEGRADED"] * is_news, (number, slots)
    assert later(story, 1000, lacking()) == ["XSRAID_REBUILD_FINISHED"]


def test_an_array_that_was_missing_and_runs_without_a_member_is_told_of():
    story = Story()
    story.then(0, [], lacking())
    missing = lacking(0, 1, 2, 3, health="missing", left=0)
    assert later(story, 100, missing) == ["XSRAID_ARRAY_MISSING"]
    assert later(story, 200, missing) == []
    degraded = lacking(1, health="degraded", left=0)
    assert later(story, 300, degraded) == ["XSRAID_ARRAY_DEGRADED"]
    assert later(story, 400, degraded) == []


def test_a_rebuild_is_no_other_loss():
    """Nor is what an older release told of, without the slots."""
    story = Story()
    story.then(0, [], lacking())
    assert later(story, 100, lacking(1, health="degraded", left=0)) == ["XSRAID_ARRAY_DEGRADED"]
    del story.memory[UUID]["told"]["lost"]
    rebuilding = lacking(1, health="rebuilding", left=0)
    rebuilding.members[1] = Member(slot=1, state="rebuilding", device="/dev/sde")
    assert later(story, 200, rebuilding) == []
    assert later(story, 300, lacking()) == ["XSRAID_REBUILD_FINISHED"]


def booted(disks, chance):
    """The same array at one boot. disks: {slot: serial number} of those that are there, which have
    their nodes in any order.
    """
    letters = dict(zip(chance.sample(sorted(disks), len(disks)), "abcdefgh"))
    members, described = [], []
    for slot in range(4):
        node = "/dev/sd" + letters[slot] if slot in disks else None
        state = "active" if node else "missing"
        members.append(Member(slot=slot, state=state, device=node, serial=disks.get(slot)))
        if node:
            facts = {"device": node, "slot": slot, "serial": disks[slot], "state": "active"}
            described.append(dict(facts, model=None, by_id=None))
    left = redundancy("raid10", 4, sorted(set(range(4)) - set(disks)), 0x102)
    health = "failed" if left < 0 else "optimal" if len(disks) == 4 else "degraded"
    found = record(health, max(left, 0))
    there = ["/dev/sd" + letter for letter in letters.values()]
    return found.replace(level="raid10", members=members, described=described, there=there)


def test_each_loss_is_told_of_once_whatever_the_disks_are_called():
    """Two thousand histories of a RAID10 of four: at each boot any of its disks are away, and some
    are others.
    """
    chance, seen = random.Random(5), collections.Counter()
    for _ in range(2000):
        story, disks = Story(), {slot: "S%d" % slot for slot in range(4)}
        story.then(0, [], booted(disks, chance))
        told, has_failed = set(), False
        for boot in range(1, 7):
            there = dict(disks)
            for slot in chance.sample(range(4), chance.choice([0, 1, 1, 2, 2, 3])):
                del there[slot]
            found, at = booted(there, chance), boot * 7200
            lost = set(range(4)) - set(there)
            is_news = bool(lost - told) or found.health == "failed" and not has_failed
            names = later(story, at, found)
            if lost:
                assert bool(names) == is_news, (boot, lost, told, names)
            else:
                assert names == ["XSRAID_REBUILD_FINISHED"] * bool(told)
            told = lost if is_news else told & lost
            has_failed = found.health == "failed" or has_failed and bool(lost)
            seen[found.health, is_news] += 1
            if chance.random() < 0.3:
                disks[chance.randrange(4)] = "R%d" % chance.randrange(10**6)
    assert min(seen.values()) > 100, seen
