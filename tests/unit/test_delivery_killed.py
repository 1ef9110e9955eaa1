"""A delivery is killed before each of its steps, each channel's process at each of its own: no
alert is lost, and none comes twice but where it was killed between the answer and the note of it.
"""

import json
import os
import signal

import pytest

from tests import made
from xsraid.alerts import channels, deliver, mail, spool
from xsraid.host import store
from xsraid.host.files import Host

UUID = "01234567:89abcdef:01234567:89abcdef"
URL = "https://chat.example.com/hook"
# The process that makes alerts and hands them out; the others have the names of channels.
MAIN = "main"
CHILD = "'"  # ends the name of a process that one of these has started
DELIVERIES_MAX = 3
CHANGING = ("os.rename", "os.unlink", "os.write", "os.fork")
MEMBER = {
    "device": "/dev/sdb",
    "serial": "S2",
    "slot": 1,
    "state": "faulty",
    "being_replaced": False,
}
RECORD = {
    "uuid": UUID,
    "device": "/dev/md0",
    "name": "md0",
    "level": "raid1",
    "health": "degraded",
    "redundancy_left": 0,
    "mismatch_count": 0,
    "members": [MEMBER],
    "configured": True,
    "sr": None,
    "frozen": False,
    "sync_held": False,
}


class Limits(object):
    smtp_timeout_s = 3
    reminder_s = 0


class Steps(object):
    """Writes down the steps of a delivery's processes, and kills one of them before one. death:
    (process, number) or None.
    """

    def __init__(self, mocker, log, death):
        self.log, self.death, self.process, self.count = log, death, MAIN, 0
        self.write = os.write
        for call in CHANGING:
            mocker.patch(call, side_effect=self.counted(call))

    def counted(self, call):
        real = getattr(os, call.split(".")[1])

        def step(*arguments):
            self.reach(call)
            found = real(*arguments)
            if call == "os.fork" and found == 0:
                self.begin(self.process + CHILD)
            return found

        return step

    def reach(self, what):
        self.count += 1
        self.write(self.log, ("%s %d %s\n" % (self.process, self.count, what)).encode())
        if self.death == (self.process, self.count):
            os.kill(os.getpid(), signal.SIGKILL)

    def begin(self, process):
        self.process, self.count = process, 0


class Place(object):
    """A host with three channels that take all, and one disk that has failed."""

    def __init__(self, tmpdir, mocker):
        self.tmpdir, self.mocker = tmpdir, mocker
        for folder in (
            "run/lock",
            "run/xsraid/spool",
            "var/lib/xsraid/spool",
            "var/lib/xsraid/history",
            "etc/ssmtp",
            "sys/block",
        ):
            tmpdir.ensure(folder, dir=True)
        tmpdir.join("etc/ssmtp/ssmtp.conf").write("mailhub=smtp.example.com:25\n")
        tmpdir.join("etc/mdadm.conf").write("MAILADDR a@example.com\n")
        self.host = Host(str(tmpdir), "/usr/bin:/bin")
        store.write(
            self.host, store.WEBHOOK, {"urls": [URL], "header": None, "token": None, "time": 1}
        )
        spool.add_event(self.host, "Fail", "/dev/md0", 1e9, "/dev/sdb")
        self.play()

    def play(self):
        """Have the machine around a delivery played."""
        patch = self.mocker.patch
        patch(
            "xsraid.md.state.read_arrays",
            side_effect=lambda host: [made.array(RECORD, members=[MEMBER])],
        )
        patch("xsraid.disks.inventory.inventory", return_value=[])
        patch("xsraid.alerts.deliver._adornments", return_value=({}, {}))
        patch("xsraid.alerts.deliver._timer")
        patch("xsraid.host.config.load_or_default", return_value=Limits)
        patch(
            "xsraid.alerts.mail.send",
            side_effect=lambda *_: self.taken("mail", mail.Answer(True, "250 queued", "")),
        )
        patch(
            "xsraid.alerts.by_webhook._post",
            side_effect=lambda *_: self.taken("webhook", [mail.ACCEPTED, "200 OK", ""]),
        )
        message = spool.Sent("accepted", mail.Answer(True, "message x", ""), False, False)
        row = channels.CHANNELS["xapi"]._replace(
            opened=channels._nothing, send=lambda *_: self.taken("xapi", message), follow=None
        )
        self.mocker.patch.dict(channels.CHANNELS, {"xapi": row})

    def taken(self, channel, answer):
        """Note that a channel was given an alert; return its answer."""
        self.tmpdir.join("taken").write(channel + "\n", mode="a")
        return answer

    def deliver(self, death=None):
        """Run a delivery, with death = (process, number) one that is killed; return its steps,
        [(process, number, what)], once all have ended.
        """
        reading, writing = os.pipe()
        process = os.fork()
        if process == 0:
            try:
                os.close(reading)
                steps = Steps(self.mocker, writing, death)
                real = channels.deliver
                self.mocker.patch(
                    "xsraid.alerts.channels.deliver",
                    side_effect=lambda host, name, *more: (
                        steps.begin(name),
                        real(host, name, *more),
                    ),
                )
                deliver.deliver(self.host)
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as said:  # it ends when the last process that could write has ended
            lines = [line.split(" ", 2) for line in said.read().splitlines()]
        os.waitpid(process, 0)
        return [(process, int(number), what) for process, number, what in lines]

    def counts(self):
        """Return {channel: how often it was given the alert}."""
        log = self.tmpdir.join("taken")
        names = log.read().split() if log.check() else []
        return {name: names.count(name) for name in channels.NAMES}


def test_a_delivery_that_is_killed_before_any_of_its_steps_loses_nothing(tmpdir, mocker):
    steps = Place(tmpdir.mkdir("whole"), mocker).deliver()
    processes = {process for process, _, _ in steps}
    assert processes == {MAIN, "webhook" + CHILD} | set(channels.NAMES), steps
    assert len(steps) > 25, steps
    for process, number, what in steps:
        mocker.stopall()
        place = Place(tmpdir.mkdir("%s-%d" % (process, number)), mocker)
        assert (process, number, what) == [
            step for step in place.deliver((process, number)) if step[0] == process
        ][-1]
        for _ in range(DELIVERIES_MAX):
            place.deliver()
        counts = place.counts()
        twice = [name for name, count in counts.items() if count != 1]
        assert all(count >= 1 for count in counts.values()), (process, number, what, counts)
        assert twice in ([], [process.strip(CHILD)]), (process, number, what, counts)
        assert spool.is_empty(place.host), (process, number, what)
        assert spool.events(place.host) == [], (process, number, what)
        (alert,) = spool.history(place.host, 9)
        assert {state["state"] for state in alert["channels"].values()} == {"accepted"}, (
            process,
            number,
            what,
        )
        left = sorted(
            path.basename
            for path in tmpdir.join("%s-%d" % (process, number), "var/lib/xsraid/spool").listdir()
        )
        assert left == ["memory"], (process, number, what)


# Its first step is to start what posts.
@pytest.mark.parametrize("name,number", [("mail", 1), ("xapi", 1), ("webhook", 2)])
def test_only_what_is_killed_between_an_answer_and_its_note_comes_twice(
    tmpdir, mocker, name, number
):
    """The test above lets through what comes twice from the process that was killed: here it has
    to.
    """
    place = Place(tmpdir, mocker)
    place.deliver((name, number))
    assert (
        json.loads(
            tmpdir.join(
                "var/lib/xsraid/spool", spool.waiting(place.host)[0]["id"] + ".alert"
            ).read()
        )["channels"][name]["tries"]
        == 0
    )
    place.deliver()
    assert place.counts() == {channel: 2 if channel == name else 1 for channel in channels.NAMES}
