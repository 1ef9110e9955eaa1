"""What runs on the arrays, as tasks of XAPI: of one that can set a task's progress, and of one that
cannot.
"""

import os

import pytest

from tests import made
from tests.plugin.conftest import HOST_UUID, INVENTORY, UUID, Machine
from xsraid.host.files import Host
from xsraid.xapi import tasks


@pytest.fixture
def host(tmpdir):
    os.makedirs(str(tmpdir.join("var/lib/xsraid")))
    tmpdir.ensure("etc/xensource-inventory").write(INVENTORY % (HOST_UUID, "8.2.1"))
    return Host(str(tmpdir))


def record(health="rebuilding", action="recover", done_ratio=0.25, spare="/dev/sdc"):
    members = [{"device": "/dev/sda", "state": "active"}, {"device": spare, "state": "rebuilding"}]
    return made.array(
        uuid=UUID,
        device="/dev/md0",
        level="raid1",
        health=health,
        members=members,
        sync=action and {"action": action, "done_ratio": done_ratio},
    )


@pytest.fixture
def session(machine):
    yield machine.session
    forget(machine.session)


def forget(session):
    """Have XAPI forget all tasks, as it does with old ones."""
    for ref in session.xenapi.task.get_all():
        session.xenapi.task.set_status(ref, "cancelled")  # one that is pending stays
        session.xenapi.task.destroy(ref)


def known_tasks(session):
    return sorted(
        (task["name_label"], task["status"], task["progress"])
        for task in session.xenapi.task.get_all_records().values()
    )


def test_from_beginning_to_end(host, session):
    tasks.follow(host, session, [record()])
    assert known_tasks(session) == [("Rebuilding md0, /dev/sdc", "pending", 0.25)]
    assert tasks.is_open(host)
    tasks.follow(host, session, [record(done_ratio=0.5)])
    assert known_tasks(session) == [("Rebuilding md0, /dev/sdc", "pending", 0.5)]
    tasks.follow(host, session, [record("optimal", None)])
    assert known_tasks(session) == [("Rebuilding md0, /dev/sdc", "success", 1.0)]
    assert not tasks.is_open(host)
    tasks.follow(host, session, [record("optimal", None)])
    assert len(known_tasks(session)) == 1


@pytest.mark.parametrize("after", [[record("degraded", None)], [record("failed", None)], []])
def test_one_that_fails(host, session, after):
    tasks.follow(host, session, [record()])
    tasks.follow(host, session, after)
    assert known_tasks(session) == [("Rebuilding md0, /dev/sdc", "failure", 0.25)]


@pytest.mark.parametrize(
    "action,health,title",
    [
        ("resync", "resyncing", "Synchronising md0"),
        ("check", "checking", "Checking md0"),
        ("reshape", "resyncing", "Reshaping md0"),
        ("repair", "checking", "Repairing md0"),
    ],
)
def test_whatever_it_is(host, session, action, health, title):
    tasks.follow(host, session, [record(health, action, None)])
    assert known_tasks(session) == [(title, "pending", 0.0)]


def test_a_rebuild_after_a_resync_is_another_task(host, session):
    tasks.follow(host, session, [record("resyncing", "resync")])
    tasks.follow(host, session, [record()])
    assert known_tasks(session) == [
        ("Rebuilding md0, /dev/sdc", "pending", 0.25),
        ("Synchronising md0", "success", 1.0),
    ]


def test_a_task_that_xapi_has_forgotten_is_made_anew(host, session):
    tasks.follow(host, session, [record()])
    forget(session)
    tasks.follow(host, session, [record(done_ratio=0.75)])
    assert known_tasks(session) == [("Rebuilding md0, /dev/sdc", "pending", 0.75)]
    forget(session)
    tasks.follow(host, session, [record("optimal", None)])
    assert known_tasks(session) == []
    assert not tasks.is_open(host)


def test_a_task_that_was_made_but_not_noted_is_found_again(host, session):
    tasks.follow(host, session, [record()])
    os.unlink(host.path("/var/lib/xsraid/tasks"))
    tasks.follow(host, session, [record(done_ratio=0.5)])
    assert known_tasks(session) == [("Rebuilding md0, /dev/sdc", "pending", 0.5)]


def test_without_set_progress_there_are_none(host, tmpdir):
    old = Machine(str(tmpdir.join("old")), version="8.0.0")
    try:
        session = old.start().session
        tasks.follow(host, session, [record()])
        assert session.xenapi.task.get_all_records() == {}
        assert not tasks.is_open(host)
    finally:
        old.stop()
