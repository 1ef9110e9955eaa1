"""Arrays that need somebody, as alarms of Xen Orchestra: messages that come and go with the
need.
"""

import re

import pytest

from tests import made
from tests.plugin.conftest import HOST_UUID, INVENTORY, UUID
from xsraid.alerts import spool, xo_alarms
from xsraid.host import store
from xsraid.host.files import Host

OTHER = "22222222:22222222:22222222:22222222"
BODY = r'value: 0\nconfig:\n<variable>\n<name value="([^&<>"]+)"/>\n</variable>\Z'


@pytest.fixture
def host(tmpdir):
    for folder in ("var/lib/xsraid/spool", "run/xsraid/spool"):
        tmpdir.ensure(folder, dir=True)
    tmpdir.ensure("etc/xensource-inventory").write(INVENTORY % (HOST_UUID, "8.2.1"))
    found = Host(str(tmpdir))
    store.write(found, "alerts", {"applied": {"xo_alarms": True}})
    return found


@pytest.fixture
def session(machine):
    yield machine.session
    for ref in machine.session.xenapi.message.get_all():
        machine.session.xenapi.message.destroy(ref)


def record(health="degraded", uuid=UUID, device="/dev/md0", state="missing"):
    gone = {"device": None, "serial": None, "slot": 1, "state": state}
    there = {"device": "/dev/sda", "serial": "SA", "slot": 0, "state": "active"}
    return made.array(uuid=uuid, device=device, health=health, members=[there, gone])


def remembers(host, told=True, uuids=(UUID,), serial="SB"):
    """Have the spool remember of arrays that somebody was told, or was not."""
    told = {"name": "XSRAID_DISK_FAILED", "left": 0, "time": 1} if told else None
    members = [{"device": "/dev/sdb", "serial": serial, "slot": 1}]
    spool.commit(host, [], {uuid: {"told": told, "members": members} for uuid in uuids}, [])


def shown(session):
    """Return [(class, uuid of the object, priority, text)] of the alarms as Xen Orchestra reads
    them.
    """
    messages = [
        message
        for message in session.xenapi.message.get_all_records().values()
        if message["name"] == "ALARM"
    ]
    return sorted(
        (
            message["cls"],
            message["obj_uuid"],
            str(message["priority"]),
            re.match(BODY, message["body"]).group(1),
        )
        for message in messages
    )


def test_an_alarm_comes_with_the_need_and_goes_with_it(host, session):
    remembers(host)
    assert xo_alarms.is_open(host, [record()])
    xo_alarms.follow(host, session, [record()])
    assert shown(session) == [("Host", HOST_UUID, "5", "RAID md0 degraded - disk serial SB gone")]
    assert not xo_alarms.is_open(host, [record()])
    for _ in range(3):
        xo_alarms.follow(host, session, [record()])
    assert len(shown(session)) == 1
    xo_alarms.follow(host, session, [record("rebuilding", state="rebuilding")])
    assert [text for _, _, _, text in shown(session)] == ["RAID md0 being repaired"]
    remembers(host, told=False)
    assert xo_alarms.is_open(host, [record("optimal", state="active")])
    xo_alarms.follow(host, session, [record("optimal", state="active")])
    assert shown(session) == []
    assert not xo_alarms.is_open(host, [record("optimal", state="active")])


def test_each_array_has_its_own_and_one_that_is_gone_none(host, session):
    remembers(host, uuids=(UUID, OTHER))
    both = [record(), record("failed", OTHER, "/dev/md1")]
    xo_alarms.follow(host, session, both)
    assert len(shown(session)) == 2
    xo_alarms.follow(host, session, both[:1])
    assert [text.split()[1] for _, _, _, text in shown(session)] == ["md0"]


def test_without_being_asked_for_there_are_none_and_those_that_are_there_go(host, session):
    remembers(host)
    xo_alarms.follow(host, session, [record()])
    store.write(host, "alerts", {"applied": {"xo_alarms": False}})
    xo_alarms.follow(host, session, [record()])
    assert shown(session) == []
    store.remove(host, "alerts")
    xo_alarms.follow(host, session, [record()])
    assert shown(session) == []


def test_one_that_somebody_has_destroyed_stays_so_until_there_is_news(host, session):
    remembers(host)
    xo_alarms.follow(host, session, [record()])
    (ref,) = session.xenapi.message.get_all()
    session.xenapi.message.destroy(ref)
    xo_alarms.follow(host, session, [record()])
    assert shown(session) == []
    xo_alarms.follow(host, session, [record("failed")])
    assert len(shown(session)) == 1


def test_a_delivery_that_was_cut_off_before_its_note_makes_no_second_one(host, session):
    remembers(host)
    xo_alarms.follow(host, session, [record()])
    store.remove(host, store.ALARMS)
    xo_alarms.follow(host, session, [record()])
    assert len(shown(session)) == 1


@pytest.mark.parametrize("serial", ['a"b', "a<b>", "a&b", "config:", "a\nb", None, "x" * 500])
def test_whatever_a_disk_calls_itself_xen_orchestra_can_read_it(host, session, serial):
    remembers(host, serial=serial)
    xo_alarms.follow(host, session, [record()])
    ((_, _, _, text),) = shown(session)
    assert text.startswith("RAID md0 degraded")
    assert "config:" not in text
