"""Each channel on its own: what one does with an alert changes nothing for another, and each
recipient of mail has a state of its own.
"""

import errno
import os
import time

import pytest

from tests import system_faults
from xsraid.alerts import channels, deliver, mail, spool
from xsraid.host import process, store
from xsraid.host.files import Host

HOUR_S = 3600
LOGIN_REFUSED = "535 5.7.8 Username and Password not accepted"


class Limits(object):
    """Those settings that channels look at."""

    smtp_timeout_s = 3
    reminder_s = 0


@pytest.fixture
def host(tmpdir):
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
    tmpdir.join("etc/mdadm.conf").write(
        "MAILADDR a@example.com,b@example.com,c@example.com\nMAILFROM dom0@example.com\n"
    )
    return Host(str(tmpdir), "/usr/bin:/bin")


def alert_of(created, **more):
    alert = {
        "id": spool.new_id(created),
        "name": "XSRAID_DISK_FAILED",
        "uuid": "u",
        "device": "/dev/md0",
        "time": created,
        "created": created,
        "subject": "subject",
        "body": "body\n",
        "short": "short",
        "priority": 2,
        "component": "/dev/sdb",
        "sr": None,
    }
    return channels.with_channels(dict(alert, **more), ["mail", "xapi"])


class Server(object):
    """A mail server that answers to each recipient as is said here, and counts the mails that each
    was offered.
    """

    def __init__(self, mocker, tmpdir):
        self.answers, self.log = {}, tmpdir.join("offered")
        mocker.patch("xsraid.alerts.mail.send", side_effect=self.take)

    def take(self, host, message, timeout_s, recipients):
        (address,) = recipients
        self.log.write(address + "\n", mode="a")
        response = self.answers.get(address, "250 queued")
        return mail.Answer(response.startswith("250"), response, "advice")

    def offered(self):
        """Return who was offered a mail since the last time this was asked."""
        seen = sorted(self.log.read().split()) if self.log.check() else []
        self.log.write("")
        return seen


@pytest.fixture
def server(mocker, tmpdir):
    return Server(mocker, tmpdir)


def attempt(host, alert):
    """Try an alert by mail, and return its state as the spool has it."""
    spool.keep(host, alert)
    alert = next(one for one in spool.waiting(host) if one["id"] == alert["id"])
    channels.attempt(host, "mail", None, alert, Limits)
    return next(one for one in spool.waiting(host) if one["id"] == alert["id"])["channels"]["mail"]


def test_one_address_that_is_refused_keeps_the_alert_from_nobody_else(host, server):
    server.answers["b@example.com"] = "550 5.1.1 no such user"
    alert = alert_of(time.time())
    state = attempt(host, alert)
    assert server.offered() == ["a@example.com", "b@example.com", "c@example.com"]
    assert state["state"] == "accepted"
    assert "b@example.com: 550" in state["response"]
    assert {address: one["state"] for address, one in state["recipients"].items()} == {
        "a@example.com": mail.ACCEPTED,
        "b@example.com": mail.REFUSED,
        "c@example.com": mail.ACCEPTED,
    }


def test_only_the_address_that_waits_is_tried_again(host, server):
    server.answers["b@example.com"] = "450 4.2.0 greylisted"
    alert = alert_of(time.time())
    assert attempt(host, alert)["state"] == "waiting"
    assert len(server.offered()) == 3
    server.answers.clear()
    assert attempt(host, alert)["state"] == "accepted"
    assert server.offered() == ["b@example.com"]


def test_a_login_that_is_refused_is_told_of_at_once_and_tried_rarely(host, server, mocker):
    server.answers = dict.fromkeys(
        ("a@example.com", "b@example.com", "c@example.com"), LOGIN_REFUSED
    )
    now = time.time()
    first, second = alert_of(now), alert_of(now + 1)
    assert attempt(host, first)["state"] == "waiting"
    assert len(server.offered()) == 3
    told = [alert for alert in spool.waiting(host) if alert["name"] == channels.GIVEN_UP]
    assert len(told) == 1
    assert LOGIN_REFUSED in told[0]["short"]
    assert list(told[0]["channels"]) == ["xapi"]
    for alert in (first, second):
        assert attempt(host, alert)["state"] == "waiting"
        assert server.offered() == []
    system_faults.clock_shows(mocker, now + HOUR_S + 1)
    attempt(host, second)
    assert len(server.offered()) == 3
    assert len([alert for alert in spool.waiting(host) if alert["name"] == channels.GIVEN_UP]) == 1


def test_new_settings_and_a_test_alert_try_a_refused_login_at_once(host, server):
    server.answers = dict.fromkeys(
        ("a@example.com", "b@example.com", "c@example.com"), LOGIN_REFUSED
    )
    alert = alert_of(time.time())
    attempt(host, alert)
    server.offered()
    attempt(host, alert_of(time.time() + 1, name="XSRAID_TEST"))
    assert len(server.offered()) == 3
    attempt(host, alert)
    assert server.offered() == []
    host.replace(mail.CONFIGURATION, host.read_if_there(mail.CONFIGURATION))
    server.answers.clear()
    assert attempt(host, alert)["state"] == "accepted"
    assert store.read(host, store.MAIL_LOGIN) is None


def test_a_mail_that_everybody_is_refused_is_tried_again_in_an_hour_and_given_up_after_a_week(
    host, server, mocker
):
    server.answers = dict.fromkeys(
        ("a@example.com", "b@example.com", "c@example.com"), "554 5.7.1 relay access denied"
    )
    began = time.time()
    alert = alert_of(began)
    mocker.patch("xsraid.alerts.channels.GIVE_UP_S", 24 * HOUR_S)
    for hour in range(24):
        system_faults.clock_shows(mocker, began + hour * (HOUR_S + 1))
        assert attempt(host, alert)["state"] == "waiting"
        assert len(server.offered()) == 3
        assert attempt(host, alert)["state"] == "waiting"
        assert server.offered() == []
    system_faults.clock_shows(mocker, began + 25 * HOUR_S)
    assert attempt(host, alert)["state"] == "given up"


def test_what_a_channel_notes_is_not_what_another_notes(host):
    alert = alert_of(time.time())
    spool.keep(host, alert)
    here, there = [spool.waiting(host)[0] for _ in range(2)]
    spool.keep_state(host, alert["id"], "mail", dict(here["channels"]["mail"], state="accepted"))
    spool.keep_state(host, alert["id"], "xapi", dict(there["channels"]["xapi"], state="off"))
    assert {name: state["state"] for name, state in spool.waiting(host)[0]["channels"].items()} == {
        "mail": "accepted",
        "xapi": "off",
    }


def test_what_is_done_is_finished_also_where_that_was_cut_off(host, mocker):
    alert = alert_of(time.time())
    spool.keep(host, alert)
    for name in alert["channels"]:
        spool.keep_state(host, alert["id"], name, dict(channels.UNTRIED, state="accepted"))
    failing = system_faults.fails(
        mocker, "os.unlink", errno.EIO, lambda path, *_: path.endswith(".alert")
    )
    with pytest.raises(OSError):
        spool.finish(host, spool.waiting(host)[0])
    assert failing.call_count
    assert not spool.is_empty(host)
    mocker.stopall()
    spool.finish(host, spool.waiting(host)[0])
    assert spool.is_empty(host)
    assert os.listdir(host.path(spool.FOLDER)) == []
    assert [one["channels"]["mail"]["state"] for one in spool.history(host, 5)] == ["accepted"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"id": 5}', '{"id": "x", "channels": []}', "\x00" * 100]
)
def test_what_cannot_be_understood_is_set_aside_and_blocks_nothing(host, text):
    spool.keep(host, alert_of(time.time()))
    name = "00000000000000001-abc.alert"
    host.replace(spool.FOLDER + "/" + name, text)
    spool.recover(host)
    assert len(spool.waiting(host)) == spool.waiting_count(host) == len(spool.history(host, 9)) == 1
    assert host.read_if_there("%s/%s.bad" % (spool.FOLDER, name)) == text


def test_states_of_alerts_that_have_gone_are_cleared_away(host):
    alert = alert_of(time.time())
    spool.keep(host, alert)
    for identity in (alert["id"], "00000000000000001-abc"):
        spool.keep_state(host, identity, "mail", channels.UNTRIED)
    spool.recover(host)
    assert sorted(os.listdir(host.path(spool.FOLDER))) == [
        alert["id"] + ".alert",
        alert["id"] + ".mail.state",
    ]


def test_an_event_that_the_disk_keeps_makes_one_alert(host, mocker):
    """The root has become read-only since the hook wrote it."""
    spool.add_event(host, "Fail", "/dev/md0", time.time(), "/dev/sdb")
    events = spool.events(host)

    def is_on_disk(path, *_):
        return "/var/lib/" in path

    for call in ("os.unlink", "os.rename"):
        system_faults.fails(mocker, call, errno.EROFS, is_on_disk)
    spool.commit(host, [alert_of(time.time())], {}, events)
    assert spool.events(host) == []
    assert len(spool.waiting(host)) == 1
    spool.keep_state(
        host, spool.waiting(host)[0]["id"], "mail", dict(channels.UNTRIED, state="accepted")
    )
    spool.recover(host)
    assert spool.events(host) == []
    assert [alert["channels"]["mail"]["state"] for alert in spool.waiting(host)] == ["accepted"]


@pytest.mark.parametrize(
    "own,state", [("MAILADDR a@example.com\n", "accepted"), ("DEVICE partitions\n", "waiting")]
)
def test_a_file_of_mdadm_conf_d_that_cannot_be_read_stops_no_mail_whose_recipient_is_known(
    host, server, mocker, tmpdir, own, state
):
    tmpdir.join("etc/mdadm.conf").write(own)
    tmpdir.ensure("etc/mdadm.conf.d/a.conf").write("MAILADDR z@example.com\n")
    system_faults.fails(mocker, "os.open", errno.EIO, lambda path, *_: str(path).endswith("a.conf"))
    alert = alert_of(time.time())
    channels.attempt(host, "mail", None, alert, Limits)
    found = alert["channels"]["mail"]
    assert found["state"] == state
    assert server.offered() == ["a@example.com"] * (state == "accepted")
    assert (
        state == "accepted"
        or "it is not known to whom" in found["response"]
        and "Input/output error" in found["response"]
    )


class Delivered(object):
    """What a delivery did, with channels that are played here. acts: {channel: what its `send`
    does}.
    """

    def __init__(self, host, mocker, acts):
        self.host = host
        rows = {
            name: channels.CHANNELS[name]._replace(opened=channels._nothing, send=act, follow=None)
            for name, act in acts.items()
        }
        mocker.patch.dict(channels.CHANNELS, rows)
        mocker.patch("xsraid.alerts.deliver._collect", return_value=[])
        mocker.patch("xsraid.alerts.deliver._timer")
        deliver.deliver(host)

    def states(self):
        return {
            name: state["state"]
            for name, state in spool.history(self.host, 1)[0]["channels"].items()
        }


def accepts(host, way, alert, state, limits):
    return spool.Sent("accepted", mail.Answer(True, "taken", ""), False, False)


def dies(host, way, alert, state, limits):
    os.kill(os.getpid(), 9)


def raises(host, way, alert, state, limits):
    raise ValueError("no channel may do this")


@pytest.mark.parametrize("ends", [dies, raises])
@pytest.mark.parametrize("broken,other", [("mail", "xapi"), ("xapi", "mail")])
def test_a_channel_that_crashes_takes_no_other_along(host, mocker, ends, broken, other):
    spool.keep(host, alert_of(time.time()))
    assert Delivered(host, mocker, {broken: ends, other: accepts}).states() == {
        broken: "waiting",
        other: "accepted",
    }


def test_what_comes_while_a_channel_hangs_goes_out_on_the_other(host, mocker, tmpdir):
    """The mail server is mute until XAPI has had what came meanwhile."""
    second, taken = alert_of(time.time() + 1), tmpdir.join("taken")

    def hangs(host, way, alert, state, limits):
        if alert["id"] != second["id"]:
            spool.keep(host, second)
            deadline = time.time() + 20
            while (
                second["id"] not in (taken.read() if taken.check() else "")
                and time.time() < deadline
            ):
                time.sleep(0.02)
            return spool.Sent(
                "waiting",
                mail.Answer(False, "mute" if time.time() < deadline else "xapi waited for it", ""),
                True,
                False,
            )
        return spool.Sent("waiting", mail.Answer(False, "mute", ""), True, False)

    def takes(host, way, alert, state, limits):
        taken.write(alert["id"] + "\n", mode="a")
        return accepts(host, way, alert, state, limits)

    spool.keep(host, alert_of(time.time()))
    Delivered(host, mocker, {"mail": hangs, "xapi": takes})
    assert [one["channels"]["xapi"]["state"] for one in spool.history(host, 2)] == [
        "accepted",
        "accepted",
    ]
    assert "xapi waited for it" not in [
        one["channels"]["mail"]["response"] for one in spool.history(host, 2)
    ]


LINE = "ARRAY /dev/md0 UUID=11111111:22222222:33333333:44444444"


@pytest.mark.parametrize(
    "text",
    [
        LINE,
        LINE + "\n",
        "PROGRAM /bin/a\nprogram /bin/b\n" + LINE,
        "MAILADDR root\n" + LINE + "\n# the end",
        LINE + "\n  spares=1",
        "prog /bin/a \n" + LINE,
    ],
)
def test_the_monitor_gets_the_hook_alone_whatever_the_file_is_like(host, mocker, tmpdir, text):
    mocker.patch("xsraid.alerts.deliver.start")
    tmpdir.join("etc/mdadm.conf").write(text)
    tmpdir.ensure("etc/mdadm.conf.d/more.conf").write(
        "ARRAY /dev/md1 UUID=55555555:66666666:77777777:88888888"
    )
    deliver.prepare_monitor(host)
    lines = tmpdir.join("run/xsraid/mdadm.conf").read().splitlines()
    assert [line for line in lines if line.lower().startswith(("prog", "mail"))] == [
        "PROGRAM /usr/libexec/xsraid/event-hook"
    ]
    assert LINE in lines
    assert "ARRAY /dev/md1 UUID=55555555:66666666:77777777:88888888" in lines


def test_a_file_that_cannot_be_read_keeps_the_monitor_from_nothing_else(host, mocker, tmpdir):
    mocker.patch("xsraid.alerts.deliver.start")
    real = Host.read

    def read(self, path):
        if path.endswith("one.conf"):
            raise EnvironmentError(errno.EIO, "Input/output error")
        return real(self, path)

    mocker.patch.object(Host, "read", read)
    tmpdir.ensure("etc/mdadm.conf.d/one.conf")
    deliver.prepare_monitor(host)
    assert tmpdir.join("run/xsraid/mdadm.conf").read() == "PROGRAM /usr/libexec/xsraid/event-hook\n"


def test_an_address_that_sendmail_would_take_for_an_option_is_refused_and_the_others_get_the_alert(
    host, mocker, tmpdir
):
    tmpdir.join("etc/mdadm.conf").write("MAILADDR -C/tmp/x@example.com,b@example.com\n")
    mocker.patch("xsraid.alerts.mail.run", return_value=process.Result(0, "", ""))
    alert = alert_of(time.time())
    state = attempt(host, alert)
    assert {address: one["state"] for address, one in state["recipients"].items()} == {
        "-C/tmp/x@example.com": mail.REFUSED,
        "b@example.com": mail.ACCEPTED,
    }


def test_several_alerts_are_mailed_at_a_time_once_one_has_shown_that_the_way_is_in_order(
    host, mocker, tmpdir
):
    begun = tmpdir.join("begun")

    def take(host, message, timeout_s, recipients):
        begun.write("x\n", mode="a")
        deadline = time.time() + 5
        while begun.size() > 2 and begun.size() < 8 and time.time() < deadline:
            time.sleep(0.01)
        return mail.Answer(begun.size() in (2, 8), "%d at a time" % (begun.size() // 2), "")

    mocker.patch("xsraid.alerts.mail.send", side_effect=take)
    tmpdir.join("etc/mdadm.conf").write("MAILADDR a@example.com\n")
    now = time.time()
    alerts = [alert_of(now + number) for number in range(4)]
    for alert in alerts:
        spool.keep(host, alert)
    channels.deliver(host, "mail", [alert["id"] for alert in alerts], Limits)
    assert [alert["channels"]["mail"]["response"] for alert in spool.waiting(host)] == [
        "1 at a time"
    ] + ["4 at a time"] * 3


def test_of_a_way_that_is_out_of_order_one_alert_is_told_and_the_rest_not_tried(
    host, mocker, tmpdir
):
    tried = tmpdir.join("tried")

    def take(host, message, timeout_s, recipients):
        tried.write("x", mode="a")
        return mail.Answer(False, "421 out of order", "")

    mocker.patch("xsraid.alerts.mail.send", side_effect=take)
    tmpdir.join("etc/mdadm.conf").write("MAILADDR a@example.com\n")
    for number in range(5):
        spool.keep(host, alert_of(time.time() + number))
    channels.deliver(host, "mail", [alert["id"] for alert in spool.waiting(host)], Limits)
    assert tried.read() == "x"
    assert [alert["channels"]["mail"]["tries"] for alert in spool.waiting(host)] == [1, 0, 0, 0, 0]


def test_an_alert_that_comes_meanwhile_goes_before_what_is_done_besides(host, mocker):
    """Which waits for it: the delivery starts this channel once more for what is new."""
    done = []

    def send(host, way, alert, state, limits):
        if not done:
            spool.keep(host, alert_of(time.time() + 9))
        done.append("alert")
        return accepts(host, way, alert, state, limits)

    row = channels.CHANNELS["xapi"]._replace(
        opened=channels._nothing, send=send, follow=lambda host, way, follows: done.append(follows)
    )
    mocker.patch.dict(channels.CHANNELS, {"xapi": row})
    spool.keep(host, alert_of(time.time()))
    for _ in range(2):
        channels.deliver(
            host, "xapi", [alert["id"] for alert in spool.waiting(host)], Limits, ["besides"]
        )
    assert done == ["alert", "alert", ["besides"]]
