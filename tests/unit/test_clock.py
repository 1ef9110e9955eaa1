"""Somebody, or NTP, sets the system's clock: whatever waits neither ends too soon nor for never,
and what was kept before does no harm.
"""

import time

import pytest
import XenAPI

from tests import made, system_faults
from tests.unit.test_rules import DAY_S, event, record, whole
from xsraid import units
from xsraid.actions import alert_reports, identify, members
from xsraid.alerts import by_xapi, channels, mail, spool
from xsraid.errors import Busy, Timeout
from xsraid.host import clock, store
from xsraid.host.files import Host
from xsraid.host.process import run
from xsraid.xapi import pool_calls

YEAR_S = 365 * DAY_S
STEPS = pytest.mark.parametrize("step_s", [YEAR_S, 3600, -3600, -YEAR_S])
# A wait that takes the time of day for its measure never ends when the clock goes back at each
# look.
EVER_BACK_S = -10


@pytest.fixture
def host(tmpdir):
    for folder in (
        "run/lock",
        "run/xsraid/spool",
        "var/lib/xsraid/spool",
        "var/lib/xsraid/history",
        "etc",
        "sys/block",
    ):
        tmpdir.ensure(folder, dir=True)
    return Host(str(tmpdir), "/usr/bin:/bin")


@pytest.fixture
def ends_soon():
    """Fails a test that took longer than any wait in it should have."""
    began = clock.monotonic_s()
    yield
    assert clock.monotonic_s() - began < 40


def test_it_goes_on_evenly():
    looks = [clock.monotonic_s()]
    for _ in range(20):
        time.sleep(0.01)
        looks.append(clock.monotonic_s())
    assert looks == sorted(looks)
    assert len(set(looks)) > 5
    assert looks[-1] - looks[0] > 0.15


@STEPS
def test_no_command_is_ended_before_its_time(host, mocker, step_s):
    looks = system_faults.clock_is_set(mocker, step_s)
    time.time()
    assert run(host, ["sh", "-c", "sleep 0.3; echo done"], timeout_s=30).out == "done\n"
    assert looks.call_count == 1


@pytest.mark.parametrize("step_s", [YEAR_S, EVER_BACK_S])
def test_a_command_that_hangs_is_ended_in_time(host, mocker, step_s, ends_soon):
    system_faults.clock_is_set(mocker, step_s)
    with pytest.raises(Timeout):
        run(host, ["sleep", "6"], timeout_s=0.3)


@pytest.mark.parametrize("step_s", [YEAR_S, EVER_BACK_S])
def test_a_lock_is_waited_for_as_long_as_said(host, mocker, step_s, ends_soon):
    mocker.patch("xsraid.host.files.BRIEF_S", 0.3)
    began = clock.monotonic_s()
    system_faults.clock_is_set(mocker, step_s)
    with host.lock("the monthly check", is_brief=True), pytest.raises(Busy), Host(host.root).lock(
        "create_sr"
    ):
        pass
    assert clock.monotonic_s() - began >= 0.3


@pytest.mark.parametrize("step_s", [YEAR_S, EVER_BACK_S])
def test_the_kernel_is_waited_for_as_long_as_said(host, mocker, step_s, ends_soon):
    mocker.patch("xsraid.actions.members.SETTLE_S", 0.3)
    mocker.patch("xsraid.md.state.find_array", return_value={})
    looks = mocker.Mock(return_value=False)
    system_faults.clock_is_set(mocker, step_s)
    with pytest.raises(Timeout):
        members.wait_until(host, made.array(uuid="x", device="/dev/md0"), looks)
    assert looks.call_count > 2


@pytest.mark.parametrize("step_s", [YEAR_S, EVER_BACK_S])
def test_xapi_is_waited_for_as_long_as_said(host, mocker, step_s, ends_soon):
    mocker.patch("xsraid.units.XAPI_WAIT_S", 0.3)
    mocker.patch("xsraid.units.LOOK_S", 0.05)
    opened = mocker.patch("XenAPI.xapi_local", side_effect=OSError(111, "Connection refused"))
    system_faults.clock_is_set(mocker, step_s)
    with pytest.raises(OSError):
        units.attach_locally(host)
    assert opened.call_count > 2


def test_xapi_is_tried_again_while_its_master_is_away(host, mocker, ends_soon):
    """What it says meanwhile is logged once."""
    mocker.patch("xsraid.units.LOOK_S", 0.01)
    away = XenAPI.Failure(["CANNOT_CONTACT_HOST", "OpaqueRef:\x1bmaster"])
    session = mocker.Mock()
    session.xenapi.login_with_password.side_effect = [away, away, away, None]
    mocker.patch("XenAPI.xapi_local", return_value=session)
    act = mocker.patch("xsraid.units.attach")
    logged = mocker.patch.object(host, "log")
    units.attach_locally(host)
    act.assert_called_once_with(host, session)
    ((said,), _) = logged.call_args
    assert logged.call_count == 1
    assert "CANNOT_CONTACT_HOST" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("step_s", [YEAR_S, EVER_BACK_S])
def test_other_hosts_are_waited_for_as_long_as_said(mocker, step_s, ends_soon):
    session = mocker.Mock()
    session.xenapi.task.get_record.return_value = {"status": "pending"}
    system_faults.clock_is_set(mocker, step_s)
    assert "0.3 s" in pool_calls.call(session, ["a host"], "version", 0.3)["a host"]
    assert session.xenapi.task.get_record.call_count > 2


@pytest.mark.parametrize("step_s", [YEAR_S, EVER_BACK_S])
def test_a_led_is_waited_for_as_long_as_said(host, mocker, tmpdir, step_s, ends_soon):
    mocker.patch("xsraid.actions.identify.SETTLE_S", 0.3)
    mocker.patch("xsraid.actions.identify.LOOK_S", 0.05)
    tmpdir.join("locate").write("0")
    system_faults.clock_is_set(mocker, step_s)
    reads = mocker.spy(host, "attribute")
    light = identify._is_lit(host, {"light": "/locate"})
    assert light is False
    assert reads.call_count > 2


@STEPS
def test_a_test_alert_is_found_whatever_the_clock_does_meanwhile(host, mocker, step_s):
    """mdadm's event has the time that the clock showed when it came."""
    started, began = time.time(), clock.monotonic_s()
    alert = {
        "id": spool.new_id(started + step_s),
        "name": "XSRAID_TEST",
        "device": "/dev/md0",
        "time": started + step_s + 0.2,
        "uuid": "u",
        "subject": "s",
        "body": "b",
        "short": "s",
        "created": started + step_s,
        "channels": {"mail": {"state": "accepted"}},
    }
    spool.keep(host, alert)
    mocker.patch("time.time", return_value=started + step_s + 0.4)
    found = alert_reports._wait(
        host, ["/dev/md0"], lambda: alert_reports._set_back_to(started, began) - 1, began + 0.3
    )
    assert list(found) == ["/dev/md0"]


def test_an_older_test_alert_is_none_of_this_call(host):
    started, began = time.time(), clock.monotonic_s()
    alert = {
        "id": spool.new_id(started - 60),
        "name": "XSRAID_TEST",
        "device": "/dev/md0",
        "time": started - 60,
        "uuid": "u",
        "subject": "s",
        "body": "b",
        "short": "s",
        "created": started - 60,
        "channels": {"mail": {"state": "accepted"}},
    }
    spool.keep(host, alert)
    assert (
        alert_reports._wait(
            host, ["/dev/md0"], lambda: alert_reports._set_back_to(started, began) - 1, began + 0.1
        )
        == {}
    )


# What was kept by the time of day.


class Delivering(object):
    """One alert that no mail server takes, tried at one time after the other."""

    def __init__(self, host, mocker, created):
        self.host, self.mocker = host, mocker
        later = spool.Sent("waiting", mail.Answer(False, "450 later", ""), False, False)
        mocker.patch.dict(
            channels.CHANNELS,
            {"mail": channels.CHANNELS["mail"]._replace(send=mocker.Mock(return_value=later))},
        )
        alert = {
            "id": spool.new_id(created),
            "name": "XSRAID_DISK_FAILED",
            "uuid": "u",
            "created": created,
            "subject": "s",
            "body": "b",
            "short": "s",
            "device": "/dev/md0",
        }
        self.alert = channels.with_channels(alert, ["mail"])

    def tries(self, at, hours=0):
        """Return the state of the mail after a try at one time and one in each hour after it."""
        for hour in range(hours + 1):
            system_faults.clock_shows(self.mocker, at + hour * 3600)
            channels.attempt(self.host, "mail", None, self.alert, None)
        return self.alert["channels"]["mail"]["state"]


def test_an_alert_is_given_up_after_a_week_of_tries(host, mocker):
    story = Delivering(host, mocker, 1e9)
    assert story.tries(1e9, 7 * 24) == "waiting"
    assert story.tries(1e9 + 7 * DAY_S + 3600) == "given up"


def test_a_host_that_was_down_gives_nothing_up(host, mocker):
    assert Delivering(host, mocker, 1e9).tries(1e9 + 30 * DAY_S, 100) == "waiting"


@STEPS
def test_a_clock_that_is_set_neither_shortens_nor_lengthens_the_week(host, mocker, step_s):
    story = Delivering(host, mocker, 1e9)
    assert story.tries(1e9, 84) == "waiting"
    assert story.tries(1e9 + 84 * 3600 + step_s, 80) == "waiting"
    assert story.tries(1e9 + 165 * 3600 + step_s, 5) == "given up"


def test_a_delivery_took_as_long_as_it_took(host, mocker):
    story = Delivering(host, mocker, 1e9)
    system_faults.clock_is_set(mocker, YEAR_S)
    channels.attempt(host, "mail", None, story.alert, None)
    assert 0 <= story.alert["channels"]["mail"]["seconds"] < 400


@pytest.mark.parametrize("created,asks", [(1e9, False), (1e9 - 30, True), (1e9 + YEAR_S, True)])
def test_a_message_that_xapi_may_have_is_looked_for(host, mocker, created, asks):
    """From an hour before the alert on; one that comes from the future may be of any time before
    now.
    """
    system_faults.clock_shows(mocker, 1e9)
    session = mocker.Mock()
    session.xenapi.message.get.return_value = {}
    alert = channels.with_channels({"name": "n", "short": "s", "created": created}, ["xapi"])
    assert (
        by_xapi._posted_before(host, session, alert, alert["channels"]["xapi"], "Host", "u") is None
    )
    since = [str(call[0][2]) for call in session.xenapi.message.get.call_args_list]
    assert since == (
        [time.strftime("%Y%m%dT%H:%M:%SZ", time.gmtime(min(created, 1e9) - 3600))] if asks else []
    )


@STEPS
def test_an_alert_comes_though_the_clock_was_set(step_s):
    story = whole()
    now = 10 + 2 * YEAR_S
    assert story.then(now, [], record("degraded", 0)) == []
    names = story.then(now + step_s, [], record("degraded", 0)) + story.then(
        now + step_s + 11, [], record("degraded", 0)
    )
    assert names == ["XSRAID_ARRAY_DEGRADED"]
    later = [
        story.then(now + step_s + 11 + hour * 3600, [], record("degraded", 0))
        for hour in range(1, 49)
    ]
    assert [at + 1 for at, names in enumerate(later) if names] == [24, 48], (
        "a reminder once a day, by the new time"
    )


@STEPS
def test_an_array_may_alarm_again_though_the_clock_was_set(step_s):
    story, now = whole(), 2.0 * YEAR_S
    for turn in range(8):
        story.then(now, [event("Fail", "/dev/sd%d" % turn, now)], record("degraded", 0))
    assert story.then(
        now + step_s, [event("Fail", "/dev/sdz", now + step_s)], record("degraded", 0)
    ) == ["XSRAID_DISK_FAILED"]


@pytest.mark.parametrize(
    "back_s,goes",
    [(0, False), (3600, False), (2 * DAY_S, True), (YEAR_S, True), (-2 * DAY_S, True)],
)
def test_a_led_that_cannot_be_put_out_is_no_matter_for_years(host, mocker, tmpdir, back_s, goes):
    light = {"way": identify.LOCATE_LED, "light": "/locate/missing", "was": "0", "until": 1e9}
    tmpdir.ensure("locate", dir=True)
    # It is there and takes nothing.
    tmpdir.join("locate").join("missing").mksymlinkto("/proc/version")
    store.write(host, store.IDENTIFYING, light, "a" * 32)
    system_faults.clock_shows(mocker, 1e9 - back_s)
    identify._end(host, "a" * 32, light)
    assert store.uuids(host, store.IDENTIFYING) == ([] if goes else ["a" * 32])
