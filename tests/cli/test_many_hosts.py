"""All hosts of a pool at once: one that is slow, dead, without the plugin or with another keeps
none of the others waiting.
"""

import json
import os
import pathlib
import signal
import time

import pytest

from tests.cli.processes import ARRAY, PROJECT, Xsraid, wait_for_call
from tests.xapi.conftest import pool  # noqa: F401 - a fixture
from xapi.failure import Failure
from xapi.many_hosts import HOSTS_MAX, PASSWORD, QUICK
from xsraid import __version__

LISTED = {
    "list_arrays": {"arrays": [ARRAY]},
    "list_disks": {"disks": []},
    "version": {"version": __version__, "python": "3.6.8"},
    "get_alerts": {"monitor": "running", "waiting": 0, "warnings": []},
    "alert_history": {"alerts": []},
    "test_alert": {"deliveries": []},
    "apply_alerts": {"monitor": "running", "warnings": []},
}
SPOILT = {
    "host2": {"list_arrays": {"arrays": [dict(ARRAY, health="degraded", redundancy_left=0)]}},
    "host3": {
        "list_arrays": Failure("UNKNOWN_XENAPI_PLUGIN_FUNCTION", "list_arrays"),
        "version": {"version": "0.0.1", "python": "2.7.5"},
    },
    "host4": {"list_arrays": "no XML at all"},
}


@pytest.fixture
def many(pool):  # noqa: F811
    """Return a function that starts a pool whose plugins answer, and gives it with the command for
    it.
    """

    def make(answers=None, **settings):
        started = pool(plugin=QUICK, answers={"*": LISTED, **(answers or {})}, **settings)
        return started, Xsraid(options=["--pool", "http://" + started.address, "--insecure"])

    return make


def open_sessions(started):
    """Return how many sessions of the command there are; each call of a plugin that is under way
    has one of XAPI's own.
    """
    session = started.session()
    events = getattr(session.xenapi.event, "from")(["session"], "", 0.0)["events"]
    return len([event for event in events if event["snapshot"]["originator"] == "xsraid"])


def test_status_of_a_pool_shows_all_hosts_and_what_is_wrong_with_some(many):
    dead = {"host5": "offline", "host6": "dies", "host7": "mute"}
    started, command = many(SPOILT, hosts=9, dead=dead, missing=["host8"])
    begun = time.monotonic()
    done = command("status", "--timeout", "5", password=PASSWORD)
    assert time.monotonic() - begun < 20
    assert done.status == 1
    text = " ".join(done.out.split())
    for piece in (
        "host0 md0 raid1 1.10 TB optimal 1 failure -",
        "host2 md0 raid1 1.10 TB degraded no failure -",
        "host3 The plugin on host3 is 0.0.1, older than this command line",
        "host4 xsraid on host4 ended without an answer",
        "host5 host5 is down.",
        "host6 The pool's master cannot reach host6.",
        "host7 host7 has not answered within 5 s.",
        "host8 xsraid is not installed on host8. Install the .xs8 RPM there",
    ):
        assert piece in text
    assert open_sessions(started) == 0


@pytest.mark.parametrize("version", ["2.7", "3.6"])
def test_the_pythons_of_dom0_show_the_same(many, version):
    python = pathlib.Path(PROJECT, f"build/venv-{version}", "bin/python")
    if not os.access(python, os.X_OK):
        pytest.skip("`make units` makes it, where this Python is installed")
    _, command = many(
        SPOILT, hosts=8, dead={"host5": "offline", "host7": "mute"}, missing=["host6"]
    )
    old = Xsraid(options=command.options, python=str(python))
    shown = [each("status", "--timeout", "3", password=PASSWORD) for each in (command, old)]
    assert shown[0] == shown[1]
    assert shown[0].status == 1


def test_exit_statuses(many):
    started, command = many(
        {"host1": {"list_arrays": {"arrays": [dict(ARRAY, health="degraded")]}}}, hosts=2
    )
    assert command("status", password=PASSWORD).status == 3
    assert command("disks", "--host", "all", password=PASSWORD).status == 0
    started.befall("host1", "offline")
    assert command("status", password=PASSWORD).status == 1


def test_json_has_each_hosts_reply(many):
    started, command = many(hosts=3, dead={"host1": "offline"}, missing=["host2"])
    replies = json.loads(command("status", "--host", "all", "--json", password=PASSWORD).out)
    assert replies["host0"] == LISTED["list_arrays"]
    assert replies["host1"]["failure"][0] == "HOST_OFFLINE"
    assert replies["host2"]["failure"][0] == "XENAPI_MISSING_PLUGIN"


@pytest.mark.parametrize(
    "typed",
    ["disks", "version", "alerts show", "alerts history", "alerts test", "alerts apply --yes"],
)
def test_what_else_can_be_asked_of_all(many, typed):
    started, command = many(hosts=2)
    done = command(*typed.split(), "--host", "all", password=PASSWORD)
    assert done.status == 0, done
    assert all(name in done.out for name in started.hosts), done
    assert [len(host.calls()) for host in started.hosts.values()] == [1, 1]


@pytest.mark.parametrize(
    "typed",
    [
        "create --level 1 sda sdb --yes",
        "fail md0 sda --confirm Z1",
        "sr create md0 --yes",
        "check start md0",
        "identify sda",
        "alerts set --mail-to a@b.c --yes",
    ],
)
def test_what_is_for_one_host_is_refused_before_anything_is_asked(typed):
    done = Xsraid()("--pool", "https://127.0.0.1:1", "--host", "all", *typed.split())
    assert done.status == 2
    assert "one host at a time" in done.err
    assert "--host NAME" in done.err


@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e9"])
def test_a_time_that_is_none_is_refused(seconds):
    done = Xsraid()("--pool", "https://127.0.0.1:1", "status", "--timeout", seconds)
    assert done.status == 2
    assert "--timeout takes a number of seconds" in done.err


def test_applying_everywhere_is_asked_once(many):
    started, command = many(hosts=3)
    shown = command.on_terminal(
        "alerts", "apply", "--host", "all", typed=[("Go on? [y/N] ", "y\n")], password=PASSWORD
    )
    assert shown.status == 0
    assert "all 3 hosts" in shown.out
    assert [host.calls() for host in started.hosts.values()] == [["apply_alerts"]] * 3


def test_a_host_that_dies_in_the_middle_has_its_own_row(many):
    started, command = many(hosts=4, delays={"host2": 20.0})
    process = command.start("status", password=PASSWORD)
    for name in ("host0", "host1", "host3"):
        wait_for_call(started.hosts[name])
    started.befall("host2", "unreachable")
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "cannot reach host2" in " ".join(out.split())
    assert "host3  md0" in out


def test_ctrl_c_during_a_question_to_64_hosts_leaves_no_session(many):
    delays = {"host%d" % number: 20.0 for number in range(1, HOSTS_MAX)}
    started, command = many(hosts=HOSTS_MAX, delays=delays)
    process = command.start("status", password=PASSWORD)
    wait_for_call(started.hosts["host0"])
    assert open_sessions(started) == 1
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
    assert time.monotonic() - begun < 10
    assert open_sessions(started) == 0


def test_watching_a_pool_redraws_in_place(many):
    started, command = many(hosts=3)
    shown = command.on_terminal("status", "--watch", until="\x1b[4A\r\x1b[J", password=PASSWORD)
    assert shown.status == 130
    assert shown.out.count("HOST") == 2
    assert "Traceback" not in shown.out
    assert open_sessions(started) == 0


def test_64_hosts_are_all_shown(many):
    started, command = many(hosts=HOSTS_MAX)
    done = command("status", password=PASSWORD)
    assert done.status == 0
    assert len([line for line in done.out.splitlines() if line.startswith("host")]) == HOSTS_MAX
