"""What hangs keeps nothing else from being done, and no lock."""

from __future__ import unicode_literals

import fcntl
import os
import time

import pytest

from xsraid.errors import BadArgument
from xsraid.host import workers
from xsraid.host.files import Host, take_lock
from xsraid.host.process import run


@pytest.fixture
def host(tmpdir):
    tmpdir.mkdir("run").mkdir("lock")
    return Host(str(tmpdir))


def test_what_is_done_comes_back_in_order(host):
    outcomes = workers.each(
        host, lambda item: {"twice": [2 * item, "\xe9"]}, range(20), 10, at_once=3
    )
    assert [outcome.value["twice"][0] for outcome in outcomes] == list(range(0, 40, 2))
    assert not any(outcome.error for outcome in outcomes)
    assert isinstance(outcomes[0].value["twice"][1], str)
    assert workers.each(host, None, [], 10) == []


def fail(item):
    if item == "known":
        raise BadArgument("disk", "is wrong")
    if item == "unknown":
        raise ValueError("what")
    if item == "killed":
        os.kill(os.getpid(), 9)
    return item


def test_failures_are_told_and_others_go_on(host):
    known, unknown, killed, good = workers.each(
        host, fail, ["known", "unknown", "killed", "good"], 10
    )
    assert "is wrong" in known.error
    assert unknown.error == "ValueError: what"
    assert killed.error == "it ended unexpectedly"
    assert good == workers.Outcome("good", None)


def test_what_is_large_comes_through(host):
    (outcome,) = workers.each(host, lambda item: "x" * item, [1 << 20], 10)
    assert len(outcome.value) == 1 << 20


def test_what_hangs_is_ended_and_holds_no_lock(host):
    began = time.time()
    with host.lock("a test"):
        hung, good = workers.each(host, time.sleep, [60, 0], 1)
    assert hung.error == "it took longer than 1 s"
    assert good.error is None
    assert time.time() - began < 50


def test_a_command_that_goes_on_holds_no_lock(host, tmpdir):
    """What a worker starts and leaves behind, as it has to with what hangs in the kernel."""
    tmpdir.mkdir("tools").join("leaver").write("#!/bin/sh\nsleep 5 &\n")
    tmpdir.join("tools", "leaver").chmod(0o755)
    host.tools_path = str(tmpdir.join("tools")) + ":/usr/bin:/bin"
    with host.lock("a test"):
        (outcome,) = workers.each(host, lambda tool: run(host, [tool]).status, ["leaver"], 10)
    assert outcome.value == 0
    descriptor = os.open(host.path("/run/lock/xsraid.lock"), os.O_RDWR)
    assert take_lock(descriptor)
    fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


def test_no_more_than_so_many_at_once(host, tmpdir):
    def count(item):
        mark = tmpdir.join("mark-%d" % item)
        mark.write("")
        time.sleep(0.1)
        there = len(tmpdir.listdir(lambda path: path.basename.startswith("mark-")))
        mark.remove()
        return there

    assert (
        max(outcome.value for outcome in workers.each(host, count, range(12), 10, at_once=4)) <= 4
    )
