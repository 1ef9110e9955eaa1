"""What an mdadm leaves behind that was ended, and what is told then: mdadm is a script that freezes
the array, as the real one does, and hangs.
"""

import os

import pytest
import XenAPI

from tests import made
from xsraid import units
from xsraid.actions import assemble, members
from xsraid.errors import BadArgument, Busy, CommandFailed, Timeout
from xsraid.host import store
from xsraid.host.files import Host

ARRAY = made.array(
    device="/dev/md0",
    uuid="01234567:" * 3 + "01234567",
    members=[{"device": None, "state": "missing"}],
)
ACTION = "sys/block/md0/md/sync_action"
NEW = members.New("/dev/sdc", False, [], made.disk(device="/dev/sdc"))
UNATTACHED = {"before": {}, "left": [], "conflicts": {}}
SYSTEMCTL = """#!/bin/sh
echo "$*" >>%s/systemctl.log
[ "$1" = is-active ] && echo %s
:
"""


class Dom0(object):
    """A host of files below a folder, whose mdadm does what a line of shell says."""

    def __init__(self, folder, action="idle"):
        self.folder = str(folder)
        self.host = Host(self.folder, "%s/bin:/bin" % self.folder)
        self.write(ACTION, action)

    def write(self, path, text):
        path = os.path.join(self.folder, path)
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path))
        with open(path, "w") as target:
            target.write(text)

    def read(self, path):
        with open(os.path.join(self.folder, path)) as source:
            return source.read()

    def mdadm(self, line):
        self.write("bin/mdadm", '#!/bin/sh\necho "$*" >>%s/asked\n%s\n' % (self.folder, line))
        os.chmod(os.path.join(self.folder, "bin/mdadm"), 0o755)

    def freezing(self, word, then):
        """mdadm freezes the array where it is asked with a word, and then does something."""
        self.mdadm(
            'case "$*" in *%s*) printf frozen >%s/%s; %s;; esac' % (word, self.folder, ACTION, then)
        )

    def process(
        self, number, words, status="SigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n"
    ):
        self.write("proc/%d/cmdline" % number, "\0".join(words) + "\0")
        self.write("proc/%d/status" % number, "Name:\tmdadm\n" + status)


@pytest.fixture
def dom0(tmpdir, mocker):
    mocker.patch("xsraid.disks.claim.claim")
    return Dom0(tmpdir.realpath())


def test_a_disk_that_is_put_into_a_frozen_array_is_rebuilt(dom0, mocker):
    """mdadm leaves an array frozen that was before, and one that waits for its first write is not
    rebuilt.
    """
    dom0.write(ACTION, "frozen\n")
    dom0.write("sys/block/md0/md/array_state", "read-auto\n")
    mocker.patch("xsraid.actions.members.wait_until")
    dom0.mdadm("cat %s/%s >>%s/asked" % (dom0.folder, ACTION, dom0.folder))
    members.put_in(dom0.host, ARRAY, NEW)
    assert dom0.read("asked").splitlines() == [
        "--readwrite /dev/md0",
        "frozen",
        "--manage /dev/md0 --add /dev/sdc",
        "idleen",
    ]


@pytest.mark.parametrize(
    "record,asked",
    [
        ({}, ["--readonly /dev/md0", "--manage /dev/md0 --add-journal /dev/sdc"]),
        ({"read_only": True}, ["--manage /dev/md0 --add-journal /dev/sdc"]),
    ],
)
def test_a_journal_is_put_in_while_the_array_is_read_only(dom0, mocker, record, asked):
    """The kernel refuses to make it so that is so already (md.c, md_set_readonly)."""
    mocker.patch("xsraid.actions.members.wait_until")
    dom0.mdadm("")
    members._put_in_journal(dom0.host, ARRAY.replace(**record), None, NEW)
    assert dom0.read("asked").splitlines() == asked


@pytest.mark.parametrize(
    "policy,may_lack,is_refused",
    [("journal", True, False), ("journal", False, True), ("bitmap", True, True)],
)
def test_only_a_journal_is_put_into_an_array_that_is_read_only(
    dom0, mocker, policy, may_lack, is_refused
):
    """Without its journal md starts one read-only and lets nobody change that (raid5.c)."""
    record = ARRAY.replace(
        level="raid5", health="failed", read_only=True, consistency_policy=policy
    )
    mocker.patch("xsraid.md.state.find_array", return_value=record)
    if is_refused:
        with pytest.raises(BadArgument):
            members._redundant(dom0.host, "md0", may_lack)
    else:
        assert members._redundant(dom0.host, "md0", may_lack) == record


HANGS, FAILS = "exec sleep 5", "echo no >&2; exit 1"


@pytest.mark.parametrize("then,error", [(HANGS, Timeout), (FAILS, CommandFailed)])
@pytest.mark.parametrize(
    "word,act",
    [
        ("--add", lambda host: members.put_in(host, ARRAY, NEW)),
        ("--add-journal", lambda host: members._put_in_journal(host, ARRAY, None, NEW)),
        ("--re-add", lambda host: assemble._re_add(host, ARRAY, "/dev/sdc")),
    ],
)
def test_what_an_mdadm_that_was_ended_froze_is_let_go(dom0, then, error, word, act):
    dom0.freezing(word, then)
    dom0.host.command_limit_s = 0.3
    with pytest.raises(error) as caught:
        act(dom0.host)
    assert word in caught.value.parameters[0]
    assert dom0.read(ACTION)[:4] == "idle"


def test_a_cleanup_that_hangs_as_well_hides_nothing(dom0):
    dom0.mdadm('case "$*" in *--readonly*) ;; *) %s;; esac' % HANGS)
    dom0.host.command_limit_s = 0.3
    with pytest.raises(Timeout) as caught:
        members._put_in_journal(dom0.host, ARRAY, None, NEW)
    assert "--add-journal" in caught.value.parameters[0]


@pytest.mark.parametrize(
    "failure", [None, Busy("x"), XenAPI.Failure(["HOST_STILL_BOOTING"]), EnvironmentError(5, "x")]
)
def test_the_arrays_are_looked_at_every_hour_whether_or_not_an_event_has_come(
    dom0, mocker, failure
):
    mocker.patch("xsraid.actions.check.look_after")
    monitor = mocker.patch("xsraid.units._look_after_the_monitor")
    mocker.patch("xsraid.units.see_to_late_members", side_effect=failure)
    start = mocker.patch("xsraid.alerts.deliver.start")
    units.look_after(dom0.host)
    assert start.call_count == 1
    assert monitor.call_count == 1


def hours_of_the_monitor(dom0, mocker, states, level="raid1"):
    """Return the events that the hourly looks make while mdadm's monitor is in these states, None
    for one that cannot be started.
    """
    os.makedirs(dom0.folder + "/var/lib/xsraid")
    mocker.patch("xsraid.md.state.read_arrays", return_value=[made.array(level=level)])
    told = mocker.patch("xsraid.alerts.spool.add_event")
    store.write(dom0.host, "alerts", {"applied": {}})
    for state in states:
        failure = (
            CommandFailed("systemctl start mdmonitor.service", 1, "no") if state is None else None
        )
        mocker.patch("xsraid.alerts.monitor.ensure_running", side_effect=failure)
        mocker.patch("xsraid.alerts.monitor.state", return_value=state)
        units._look_after_the_monitor(dom0.host)
    return [call[0][1] for call in told.call_args_list]


def test_a_monitor_that_cannot_run_is_told_of_once_and_once_when_it_runs_again(dom0, mocker):
    states = ["running", None, None, "failed", "running", "running", "stopped"]
    assert hours_of_the_monitor(dom0, mocker, states) == [
        "MonitorDown",
        "MonitorBack",
        "MonitorDown",
    ]


def test_without_an_array_to_watch_no_monitor_is_missed(dom0, mocker):
    assert hours_of_the_monitor(dom0, mocker, [None], level="raid0") == []


@pytest.mark.parametrize(
    "note,state,asked",
    [
        (None, "failed", None),
        ({"before": {}}, "failed", None),
        (UNATTACHED, "failed", "restart"),
        (UNATTACHED, "active", "restart"),  # a late member has come since
        (UNATTACHED, "activating", None),
        (UNATTACHED, "inactive", None),  # waits for xapi, or is not wanted
    ],
)
def test_what_a_boot_could_not_attach_is_tried_again_by_deliveries(dom0, note, state, asked):
    """A call held the lock, or the master was away, for longer than the unit waits; the note of the
    boot is as the assembling unit left it.
    """
    dom0.write("bin/systemctl", SYSTEMCTL % (dom0.folder, state))
    os.chmod(os.path.join(dom0.folder, "bin/systemctl"), 0o755)
    os.makedirs(os.path.join(dom0.folder, "var/lib/xsraid"))
    if note is not None:
        store.write(dom0.host, "boot", note)
    (ours,) = [kind for kind in units.FOLLOW_UPS if kind.is_open is units._is_unattached]
    ours.look(dom0.host, [ARRAY])
    assert ours.is_open(dom0.host, [ARRAY]) is (note == UNATTACHED)
    assert not ours.is_open(dom0.host, [])
    log = dom0.read("systemctl.log") if note == UNATTACHED else ""
    verbs = [line for line in log.splitlines() if "is-active" not in line]
    assert verbs == (["--no-block %s xsraid-attach.service" % asked] if asked else [])


def test_attaching_that_fails_has_deliveries_go_on(dom0, mocker):
    go_on = mocker.patch("xsraid.alerts.deliver.go_on")
    mocker.patch("xsraid.units._locally", side_effect=Busy("create_array"))
    with pytest.raises(Busy):
        units.attach_locally(dom0.host)
    assert go_on.call_count == 1
