"""Many hosts asked at once: the calls, what is shown of their answers, and the inventory of
pools.
"""

from __future__ import unicode_literals

import json
import os
import signal
import time

import pytest

from xsraid_cli import problems
from xsraid_cli.problems import DEGRADED, DONE, FAILED, USAGE, Problem
from xsraid_cli.remote import all_hosts, inventory, pool, threads
from xsraid_cli.remote.inventory import Entry
from xsraid_cli.show import layout, rows

ARRAY = {
    "device": "/dev/md0",
    "level": "raid1",
    "size_bytes": 1 << 40,
    "health": "optimal",
    "redundancy_left": 1,
    "members": [],
    "configured": True,
}
GOOD = """[lab]
address = lab-master
user = monitor
fingerprint = %s , %s
hosts = lab1, lab2

; the other one
[shop]
address = https://shop.example.com   ; behind the VPN
hosts = all
"""


def answer(name, reply=None, failure=None, of_pool=None):
    host = None if name is None else pool.Host("ref", name, "uuid-" + name, "8.3.0")
    problem = (
        None
        if failure is None
        else problems.Problem("%s is down." % (name or of_pool), "Start it.")
    )
    return all_hosts.Answer(of_pool, host, [] if reply is None else [reply], failure, problem)


def text(lines):
    return [layout.text(line) for line in lines]


def test_calls_run_at_the_same_time_and_one_that_hangs_is_left_behind():
    def fail():
        raise ValueError("no")

    started = time.time()
    first, second, third = threads.ask([lambda: 1, fail, lambda: time.sleep(30)], 0.5)
    assert time.time() - started < 20
    assert first == (1, None, False)
    assert isinstance(second.error, ValueError)
    assert third == (None, None, True)


def test_all_hosts_stand_in_one_table_and_those_that_did_not_answer_below():
    degraded = dict(
        ARRAY,
        health="degraded",
        redundancy_left=0,
        members=[{"device": "/dev/sdb", "serial": "Z1", "slot": 1, "state": "faulty"}],
    )
    answers = [
        answer("a", {"arrays": [ARRAY]}),
        answer("b", {"arrays": []}),
        answer("c", None, ["HOST_OFFLINE", "ref"]),
        answer("d", {"arrays": [degraded]}),
    ]
    assert text(rows.lines(answers, "list_arrays")) == [
        "HOST  ARRAY  LEVEL  SIZE     HEALTH    SURVIVES    SR",
        "a     md0    raid1  1.10 TB  optimal   1 failure   -",
        "d     md0    raid1  1.10 TB  degraded  no failure  -",
        "d  md0 faulty: sdb, serial Z1, slot 1",
        "",
        "No arrays on b.",
        "",
        "c  c is down. Start it.",
    ]
    assert rows.status(answers, "list_arrays") == FAILED
    assert rows.status(answers[:2], "list_arrays") == DONE
    assert rows.status(answers[3:], "list_arrays") == DEGRADED


def test_what_has_no_table_of_its_own_stands_under_each_hosts_name():
    answers = [
        answer("a", {"monitor": "running", "warnings": ["call configure_alerts"]}),
        answer("b", {"monitor": "stopped"}),
    ]
    assert text(rows.lines(answers, "get_alerts")) == [
        "a:",
        "monitor  running",
        "",
        "b:",
        "monitor  stopped",
    ]
    assert rows.warnings(answers) == ["a: call `xsraid alerts set`"]


def test_versions_stand_in_a_table():
    lines = text(rows.lines([answer("a", {"version": "0.0.1", "python": "3.6.8"})], "version"))
    assert lines[:2] == ["HOST  VERSION  PYTHON", "a     0.0.1    3.6.8"]
    assert "older" in " ".join(lines[2:])


def test_json_of_one_pool_and_of_many():
    one = [answer("a", {"arrays": []}), answer("b", None, ["HOST_OFFLINE", "ref"])]
    assert json.loads(rows.as_json(one)) == {
        "a": {"arrays": []},
        "b": {"failure": ["HOST_OFFLINE", "ref"]},
    }
    many = [
        answer("a", {"arrays": []}, of_pool="lab"),
        answer(None, None, ["NO_ANSWER", "x"], "shop"),
    ]
    assert json.loads(rows.as_json(many)) == {
        "lab": {"a": {"arrays": []}},
        "shop": {"failure": ["NO_ANSWER", "x"]},
    }
    assert rows.as_json([]) == "{}"


def test_two_hosts_of_one_name_are_told_apart():
    twins = [answer("a", {"arrays": []}), answer("a", {"arrays": []})]
    assert list(json.loads(rows.as_json(twins))) == ["a", "uuid-a"]


def test_the_inventory():
    digits = "ab" * 32
    colons = ":".join(["AB"] * 32)
    assert inventory.parse("" + GOOD % (digits, digits), "pools.ini") == [
        Entry("lab", "https://lab-master", "monitor", None, (colons, colons), ("lab1", "lab2")),
        Entry("shop", "https://shop.example.com", "root", None, (), ()),
    ]


@pytest.mark.parametrize(
    "content,line,words",
    [
        ("address = m\n", 1, "before the first"),
        ("[lab]\naddress = m\n\nnonsense\n", 4, "neither [NAME] nor KEY = VALUE"),
        ("[a]\naddress = m\n[lab]\naddress = m\ncolour = red\n", 5, "unknown key colour"),
        ("[lab]\naddress = m\npassword = p\n", 3, "unknown key password"),
        ("[lab]\nuser = root\n", 1, "[lab] has no address"),
        ("[lab]\naddress = ftp://m\n", 2, "no address of a pool"),
        ("[lab]\naddress = m\nfingerprint = AA\n", 3, "no fingerprint"),
        ("[lab]\naddress = m\nuser =\n", 3, "user is empty"),
        ("", 1, "names no pool"),
    ],
)
def test_what_is_wrong_in_the_inventory_is_told_with_its_line(content, line, words):
    with pytest.raises(Problem) as caught:
        inventory.parse(content, "pools.ini")
    assert caught.value.status == USAGE
    assert caught.value.what.startswith("pools.ini, line %d: " % line)
    assert words in caught.value.what


def test_a_password_in_the_inventory_is_refused_with_where_it_belongs():
    with pytest.raises(Problem) as caught:
        inventory.parse("[lab]\naddress = m\npassword = p\n", "pools.ini")
    assert "keyring" in caught.value.advice


def test_no_inventory_says_how_to_write_one(tmpdir):
    with pytest.raises(Problem) as caught:
        inventory.load(str(tmpdir.join("pools.ini")))
    assert caught.value.status == USAGE
    assert "address = " in caught.value.advice


@pytest.mark.skipif(
    not hasattr(signal, "pthread_sigmask"), reason="Python 2 cannot say which thread gets a signal"
)
def test_a_signal_that_another_thread_gets_ends_the_wait():
    class Told(Exception):
        pass

    def tell(*_):
        raise Told

    def hang():
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])  # novermin
        time.sleep(0.5)  # until the main thread waits
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(30)

    before = signal.signal(signal.SIGUSR1, tell)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # novermin
    try:
        began = time.time()
        with pytest.raises(Told):
            threads.ask([hang], 20)
        assert time.time() - began < 15
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])  # novermin
        signal.signal(signal.SIGUSR1, before)
