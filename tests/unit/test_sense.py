"""One cause makes one alert; building and checking make none."""
from __future__ import absolute_import

from xsraid import sense, words
from xsraid.spool import Event

UUID = "01234567:89abcdef:01234567:89abcdef"
DAY_S = 86400


def record(health="optimal", left=1, members=("sda", "sdb"), replaced=None, **more):
    described = [{"device": "/dev/" + name, "slot": slot, "serial": "S" + name, "model": "M", "by_id": None} for slot, name in enumerate(members)]
    return dict({"uuid": UUID, "device": "/dev/md0", "name": "md0", "level": "raid1", "health": health, "redundancy_left": left, "mismatch_count": 0,
                 "members": [dict(member, state="active", being_replaced=member["device"] == replaced) for member in described],
                 "described": described, "configured": True, "last_action": "resync"}, **more)


def event(name, component=None, at=0):
    return Event("/x", name, "/dev/md0", component, at)


class Story(object):
    """What happens to one host, told step by step; each returns the names of the alerts."""

    def __init__(self):
        self.memory, self.alerts, self.folded = {}, [], []

    def then(self, at, events=(), *records):
        self.alerts, self.memory, self.folded = sense.decide(list(events), [dict(one) for one in records], self.memory, at, DAY_S)
        return [alert["name"] for alert in self.alerts]


def whole():
    story = Story()
    assert story.then(0, [event("NewArray")], record()) == []
    return story


def test_a_failing_disk_is_one_alert_and_its_rebuild_another():
    story = whole()
    assert story.then(10, [event("Fail", "/dev/sdb", 10), event("DegradedArray", None, 10)], record("degraded", 0)) == ["XSRAID_DISK_FAILED"]
    assert story.alerts[0]["component"] == "/dev/sdb" and story.alerts[0]["time"] == 10
    assert story.alerts[0]["events"] == ["Fail", "DegradedArray"] and story.folded == []
    assert story.then(12, [event("Fail", "/dev/sdb", 12), event("DegradedArray", None, 12)], record("degraded", 0)) == []
    assert story.folded == [(UUID, "Fail"), (UUID, "DegradedArray")]
    assert story.then(20, [event("RebuildStarted")], record("rebuilding", 0)) == []
    assert story.then(30, [event("Rebuild40")], record("rebuilding", 0)) == []
    assert story.then(40, [event("RebuildFinished"), event("SpareActive", "/dev/sdc")], record()) == ["XSRAID_REBUILD_FINISHED"]
    assert story.then(50, [], record()) == []


def test_building_and_checking_alarm_nobody():
    story = Story()
    assert story.then(0, [event("NewArray"), event("DegradedArray"), event("RebuildStarted")], record("rebuilding", 0)) == []
    assert story.then(9, [event("RebuildFinished"), event("SpareActive", "/dev/sdc")], record()) == []
    assert story.then(20, [event("RebuildStarted")], record("checking")) == []
    assert story.then(30, [event("RebuildFinished")], record()) == []
    assert story.then(40, [], record("resyncing")) == []


def test_mismatches_that_a_check_found_are_told_but_not_those_of_a_first_resync():
    """md counts them then, too, where the disks were not blank; mdadm's event is the same."""
    story = whole()
    found = [event("RebuildFinished", " mismatches found: 128 (on raid level 1)")]
    assert story.then(10, found, record(mismatch_count=128, last_action="resync")) == []
    assert story.then(20, found, record(mismatch_count=128, last_action="check")) == ["XSRAID_MISMATCHES"]
    assert story.then(30, found, record(mismatch_count=128, last_action=None)) == ["XSRAID_MISMATCHES"]


def test_a_disk_that_fails_while_the_array_is_built_does():
    story = Story()
    story.then(0, [event("NewArray")], record("rebuilding", 0))
    assert story.then(5, [event("Fail", "/dev/sdb", 5)], record("degraded", 0)) == ["XSRAID_DISK_FAILED"]


def test_what_the_monitor_never_told_is_seen():
    story = whole()
    assert story.then(10, [], record("degraded", 0)) == []
    assert story.then(20, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.then(30, [], record("failed", 0)) == []
    assert story.then(40, [], record("failed", 0)) == ["XSRAID_ARRAY_FAILED"]
    assert story.then(50, [], record("failed", 0)) == []
    assert whole().then(10, [], record("failed", 0, level="raid0")) == ["XSRAID_ARRAY_FAILED"]
    story = whole()
    assert story.then(10, [], record("missing", 0)) == [] and sense.needs_looking_after(story.memory, 0)
    assert story.then(15, [], record("missing", 0)) == ["XSRAID_ARRAY_MISSING"]
    assert story.then(20, [], record("inactive", 0, configured=False)) == []


def test_a_pulled_disk_that_the_monitor_names_a_second_later_is_one_alert():
    story = whole()
    assert story.then(10, [], record("degraded", 0)) == [] and sense.needs_looking_after(story.memory, 0)
    assert story.then(11, [event("Fail", "/dev/sdb", 11)], record("degraded", 0)) == ["XSRAID_DISK_FAILED"]
    assert story.then(30, [], record("degraded", 0)) == []


def test_a_second_disk_is_told_of_too():
    story = whole()
    assert story.then(10, [event("Fail", "/dev/sda", 10)], record("degraded", 1)) == ["XSRAID_DISK_FAILED"]
    assert story.then(11, [event("Fail", "/dev/sdb", 11)], record("degraded", 0)) == ["XSRAID_DISK_FAILED"]


def test_a_degraded_array_is_reminded_of_once_a_day():
    story = whole()
    story.then(10, [event("Fail", "/dev/sdb", 10)], record("degraded", 0))
    assert story.then(DAY_S, [], record("degraded", 0)) == []
    assert story.then(DAY_S + 20, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"] and story.alerts[0]["is_reminder"]
    assert story.then(DAY_S + 30, [], record("degraded", 0)) == []
    assert sense.needs_looking_after(story.memory, DAY_S) and not sense.needs_looking_after(story.memory, 0)


def test_a_flapping_disk_is_bounded_and_what_was_held_back_is_counted():
    story = whole()
    names = []
    for turn in range(50):
        at = 100 * turn
        names += story.then(at if at < 3000 else 3000, [event("Fail", "/dev/sd%d" % turn, at)], record("degraded", 0))
    assert len(names) == sense.HOURLY_MAX and sense.needs_looking_after(story.memory, 0)
    assert story.then(8000, [], record("degraded", 0)) == ["XSRAID_ARRAY_DEGRADED"]
    assert story.alerts[0]["folded"] == 50 - sense.HOURLY_MAX


def test_what_is_known_of_a_disk_outlives_it():
    story = whole()
    gone = record("degraded", 0, members=("sda",))
    gone["members"] = gone["members"] + [{"device": None, "slot": 1, "state": "missing", "being_replaced": False}]
    story.then(10, [event("Fail", "/dev/sdb", 10)], gone)
    assert [member["serial"] for member in story.memory[UUID]["members"]] == ["Ssda", "Ssdb"]


def test_an_array_that_is_gone_for_good_is_forgotten():
    story = whole()
    assert story.then(10, [event("DeviceDisappeared")]) == [] and story.memory == {}


def test_words_say_what_is_left_and_cannot_carry_a_second_line():
    alert = {"name": "XSRAID_DISK_FAILED", "device": "/dev/md0", "component": "/dev/sdb\nBcc: x", "time": 0, "folded": 3, "is_reminder": False}
    facts = {"host": "h", "host_uuid": None, "pool": None, "record": record("degraded", 0), "member": None, "sr": None, "vm_count": None,
             "smart": None, "mdstat": []}
    assert "\n" not in words.subject(alert, facts) and words.subject(alert, facts).startswith("[xsraid] XSRAID_DISK_FAILED: disk /dev/sdb")
    assert "No redundancy left" in words.body(alert, facts) and "3 more alerts" in words.body(alert, facts)
    assert "\nBcc" not in words.body(alert, facts)


def test_a_member_that_was_replaced_while_it_served_alarms_nobody():
    story = whole()
    story.then(10, [event("RebuildStarted")], record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sdb"))
    assert story.then(20, [event("Fail", "/dev/sdb"), event("RebuildFinished")], record("optimal", 1, ("sda", "sdc", "sdb"))) == []
    assert story.then(100, [event("Fail", "/dev/sdb")], record("optimal", 1, ("sda", "sdc", "sdb"))) == ["XSRAID_DISK_FAILED"]


def test_a_replacement_that_is_over_before_anybody_looks_alarms_nobody():
    story = whole()
    events = [event("Replacing", "/dev/sdb"), event("RebuildStarted"), event("Fail", "/dev/sdb"), event("RebuildFinished")]
    assert story.then(20, events, record("optimal", 1, ("sda", "sdc", "sdb"))) == []


def test_another_disk_has_the_name_of_one_that_was_being_replaced_before_a_reboot():
    story = whole()
    story.then(10, [event("RebuildStarted")], record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sdb"))
    story.then(20, [event("NewArray")], record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sda"))
    assert story.then(30, [event("Fail", "/dev/sdb")], record("optimal", 1, ("sdc", "sda"))) == ["XSRAID_DISK_FAILED"]


def test_a_member_that_dies_while_it_is_replaced_does():
    story = whole()
    story.then(10, [event("RebuildStarted")], record("rebuilding", 1, ("sda", "sdb", "sdc"), replaced="/dev/sdb"))
    assert story.then(20, [event("Fail", "/dev/sdb")], record("degraded", 0, ("sda", "sdc"))) == ["XSRAID_DISK_FAILED"]


def test_a_disk_that_is_taken_in_again_and_fails_again_is_named_again():
    story = whole()
    assert story.then(10, [event("Fail", "/dev/sdb", 10)], record("degraded", 0)) == ["XSRAID_DISK_FAILED"]
    assert story.then(14, [event("RebuildFinished"), event("SpareActive", "/dev/sdb")], record()) == ["XSRAID_REBUILD_FINISHED"]
    assert story.then(18, [event("Fail", "/dev/sdb", 18)], record("degraded", 0)) == ["XSRAID_DISK_FAILED"]


def test_a_mirror_that_grows_alarms_nobody():
    """It lacks a member for a moment, but none that it had."""
    story = whole()
    assert story.then(10, [event("DegradedArray")], record("degraded", 1, ("sda", "sdb", "sdc"))) == []
    assert story.then(20, [event("RebuildStarted")], record("rebuilding", 1, ("sda", "sdb", "sdc"))) == []
    assert story.then(30, [event("RebuildFinished")], record("optimal", 2, ("sda", "sdb", "sdc"))) == []


def test_a_weak_disk_is_told_of_with_what_smart_said():
    story = whole()
    assert story.then(10, [event("DiskWeak", "/dev/sdb its own verdict is FAILED!", 10)], record()) == ["XSRAID_DISK_WEAK"]
    (alert,) = story.alerts
    assert (alert["component"], alert["meaning"]) == ("/dev/sdb", "its own verdict is FAILED!")
    facts = {"host": "h", "host_uuid": None, "record": record(), "member": None}
    assert "still serves, but SMART tells: its own verdict is FAILED!. Replace it while it serves:" in words.short(alert, facts)
