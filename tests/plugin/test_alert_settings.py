# -*- coding: utf-8 -*-
"""configure_alerts and get_alerts: the files that ssmtp and mdadm read."""

from __future__ import unicode_literals

import json
import os
import stat

import pytest

from tests.plugin.conftest import HOST_UUID, Machine
from xsraid.alerts import settings as alert_settings

SETTINGS = {
    "mail_to": "admin@example.com",
    "mail_from": "dom0@example.com",
    "smtp_host": "smtp.example.com",
}
FILES = ("etc/ssmtp/ssmtp.conf", "etc/ssmtp/revaliases", "etc/mdadm.conf")
SSMTP = "# caf\xe9\nroot=postmaster\nmailhub=mail\nHostname=dom0.example.com\n"


@pytest.fixture
def pool(machine):
    """The pool's reference; afterwards it says nothing of alerts any more, nor does this host."""
    xenapi = machine.session.xenapi
    (ref,) = xenapi.pool.get_all()
    yield ref
    xenapi.pool.set_other_config(ref, {})
    xenapi.host.set_other_config(xenapi.host.get_by_uuid(HOST_UUID), {})


@pytest.fixture
def login(machine):
    def make(password):
        secret = machine.session.xenapi.secret.create({"value": password, "other_config": {}})
        return {
            "smtp_user": "alerts@example.com",
            "smtp_password_secret": machine.session.xenapi.secret.get_uuid(secret),
        }

    return make


def contents(machine):
    return [machine.read(name) if os.path.exists(machine.path(name)) else None for name in FILES]


def test_the_three_files_and_the_monitor(machine, login):
    machine.write("etc/ssmtp/ssmtp.conf", SSMTP)
    machine.write(
        "etc/mdadm.conf",
        "# mine\nARRAY /dev/md7 UUID=11111111:22222222:33333333:44444444\nMAILADDR root\n",
    )
    reply = machine.call("configure_alerts", **dict(SETTINGS, **login("s3cret")))
    ssmtp, aliases, mdadm = contents(machine)
    assert ssmtp == (
        "# caf\xe9\nroot=admin@example.com\nmailhub=smtp.example.com:587\nHostname=dom0.example.com\n"  # noqa: E501
        "FromLineOverride=YES\nUseTLS=YES\nUseSTARTTLS=YES\n"
        "AuthUser=alerts@example.com\nAuthPass=s3cret\n"
    )
    assert aliases == "root:dom0@example.com:smtp.example.com:587\n"
    assert (
        mdadm == "# mine\nARRAY /dev/md7 UUID=11111111:22222222:33333333:44444444\nMAILADDR "
        "admin@example.com\nMAILFROM dom0@example.com\n"
    )
    assert stat.S_IMODE(os.stat(machine.path(FILES[0])).st_mode) == 0o640
    assert machine.read("run/systemctl.log").splitlines()[0] == "enable mdmonitor.service"
    assert reply["settings"] == dict(
        SETTINGS,
        smtp_port=587,
        smtp_security="starttls",
        smtp_user="alerts@example.com",
        smtp_password_set=True,
        xapi_messages=True,
        webhook_urls=None,
        webhook_header=None,
        webhook_token_set=False,
        xo_alarms=False,
        scope="host",
    )
    assert reply["monitor"] == "running"
    assert reply["warnings"] == []
    assert machine.call("get_alerts") == reply
    assert "s3cret" not in machine.read("xapi.log")


def test_calling_twice_leaves_the_same_bytes(machine, login):
    arguments = dict(
        SETTINGS, smtp_security="tls", smtp_port="465", xapi_messages="false", **login("p\xe4ss")
    )
    first = machine.call("configure_alerts", **arguments)
    before = contents(machine)
    assert "AuthPass=p\xe4ss\n" in before[0]
    assert "UseSTARTTLS" not in before[0]
    assert machine.call("configure_alerts", **arguments) == first
    assert contents(machine) == before
    assert first["settings"]["xapi_messages"] is False
    assert first["settings"]["smtp_security"] == "tls"


def test_a_server_without_login_forgets_the_old_one(machine, login):
    machine.call("configure_alerts", **dict(SETTINGS, **login("s3cret")))
    reply = machine.call("configure_alerts", **dict(SETTINGS, smtp_security="none", smtp_port="25"))
    assert reply["settings"]["smtp_user"] is None
    assert reply["settings"]["smtp_password_set"] is False
    assert "s3cret" not in machine.read(FILES[0])
    assert "UseTLS" not in machine.read(FILES[0])


def test_warnings(machine, login):
    assert (
        "in clear"
        in machine.call(
            "configure_alerts", **dict(SETTINGS, smtp_security="none", **login("s3cret"))
        )["warnings"][0]
    )
    assert (
        "test_alert"
        in machine.call("configure_alerts", **dict(SETTINGS, **login("a=b")))["warnings"][0]
    )
    machine.tool("systemctl", "[ $1 = is-active ] && echo failed || exit 0")
    assert machine.call("get_alerts")["monitor"] == "failed"


def test_nothing_is_configured_at_first(machine):
    reply = machine.call("get_alerts")
    assert reply["settings"]["mail_to"] is None
    assert "configure_alerts" in reply["warnings"][0]
    assert machine.refusal("test_alert")[0] == "XSRAID_NOT_CONFIGURED"


@pytest.mark.parametrize(
    "change,name",
    [
        ({"mail_to": "admin@example.com\nBcc: x@example.com"}, "mail_to"),
        ({"mail_to": "admin@example.com AUTHPASS=x"}, "mail_to"),
        ({"mail_from": "a@b\r\nPROGRAM /bin/sh"}, "mail_from"),
        ({"mail_to": "admin@example.com,-C/tmp/x@example.com"}, "mail_to"),
        ({"mail_from": "-v@example.com"}, "mail_from"),
        ({"smtp_host": "smtp.example.com\nAuthPass=x"}, "smtp_host"),
        ({"smtp_host": "smtp.example.com:25"}, "smtp_host"),
        ({"smtp_port": "70000"}, "smtp_port"),
        ({"smtp_security": "ssl"}, "smtp_security"),
        ({"smtp_user": "alerts"}, "smtp_password_secret"),
        ({"smtp_user": "a b"}, "smtp_user"),
        ({"xapi_messages": "yes"}, "xapi_messages"),
        ({"smtp_password_secret": "hunter2", "smtp_user": "u"}, "smtp_password_secret"),
        ({"smtp_password_secret": "5e3a8a2e-9a3c-4f51-8d1a-0c6f4e1d2b3a"}, "smtp_user"),
    ],
)
def test_bad_input_leaves_everything_as_it_was(machine, change, name):
    machine.write("etc/ssmtp/ssmtp.conf", SSMTP)
    before = contents(machine)
    details = machine.refusal("configure_alerts", **dict(SETTINGS, **change))
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", name]
    assert "hunter2" not in "".join(details)
    assert contents(machine) == before
    assert not os.path.exists(machine.path("run/systemctl.log"))


@pytest.mark.parametrize(
    "password,reason", [("a#b", "#"), ("x y", "blank"), ("a\nroot=x", "line break")]
)
def test_a_password_that_ssmtp_cannot_carry_is_refused_with_the_reason(
    machine, login, password, reason
):
    details = machine.refusal("configure_alerts", **dict(SETTINGS, **login(password)))
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", "smtp_password_secret"]
    assert reason in details[2]
    assert password not in "".join(details)
    assert contents(machine) == [None, None, None]


def test_an_unreadable_secret_is_xapis_own_failure(machine):
    uuid = "00000000-1111-2222-3333-444444444444"
    assert machine.refusal(
        "configure_alerts", **dict(SETTINGS, smtp_user="u", smtp_password_secret=uuid)
    ) == ["UUID_INVALID", "secret", uuid]
    assert contents(machine) == [None, None, None]


def test_a_file_that_cannot_be_written_leaves_all_three(machine):
    """The last of the three fails: its new content has no room beside the old one."""
    machine.write("etc/mdadm.conf", "MAILADDR old@example.com\n")
    machine.write("etc/ssmtp/ssmtp.conf", SSMTP)
    before = contents(machine)
    os.mkdir(machine.path("etc/mdadm.conf.xsraid-new"))
    try:
        details = machine.refusal("configure_alerts", **SETTINGS)
    finally:
        os.rmdir(machine.path("etc/mdadm.conf.xsraid-new"))
    assert details[:2] == ["XSRAID_COMMAND_FAILED", "write /etc/mdadm.conf"]
    assert contents(machine) == before
    assert sorted(os.listdir(machine.path("etc/ssmtp"))) == ["ssmtp.conf"]


def test_the_monitor_is_restarted_where_there_is_something_to_watch(machine, sysfs):
    """Newer mdadm ends at once where there is not, and systemd would take that for a failed
    start.
    """
    machine.call("configure_alerts", **SETTINGS)
    assert "restart mdmonitor.service" not in machine.read("run/systemctl.log")
    sysfs.array()
    machine.call("configure_alerts", **SETTINGS)
    assert "restart mdmonitor.service" in machine.read("run/systemctl.log")


def test_a_monitor_that_does_not_start_is_said(machine, sysfs):
    sysfs.array()
    machine.tool(
        "systemctl",
        "[ $1 = restart ] || exit 0; echo 'Job for mdmonitor.service failed.' >&2; exit 1",
    )
    details = machine.refusal("configure_alerts", **SETTINGS)
    assert details[:3] == ["XSRAID_COMMAND_FAILED", "systemctl restart mdmonitor.service", "1"]
    assert "Job for mdmonitor.service failed." in details[3]


def test_a_bad_setting_of_the_host_is_named(machine):
    machine.write("etc/xsraid.conf", "[mail]\nsmtp_timeout_s = soon\n")
    details = machine.refusal("configure_alerts", **SETTINGS)
    assert details[0] == "XSRAID_NOT_CONFIGURED"
    assert "/etc/xsraid.conf, section [mail], key smtp_timeout_s" in details[1]


def test_what_is_left_out_is_as_the_pool_mails_already(machine, pool):
    details = machine.refusal("configure_alerts")
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", "mail_to"]
    assert "mail-destination" in details[2]
    machine.session.xenapi.pool.set_other_config(
        pool,
        {
            "mail-destination": "pool@example.com",
            "mail-sender": "noreply@example.com",
            "ssmtp-mailhub": "mail.example.com:465",
        },
    )
    settings = machine.call("configure_alerts")["settings"]
    assert [
        settings[name]
        for name in ("mail_to", "mail_from", "smtp_host", "smtp_port", "smtp_security")
    ] == ["pool@example.com", "noreply@example.com", "mail.example.com", 465, "tls"]
    machine.session.xenapi.pool.set_other_config(
        pool, {"mail-destination": "pool@example.com", "ssmtp-mailhub": "mail.example.com"}
    )
    settings = machine.call("configure_alerts", mail_from="me@example.com", xapi_messages="false")[
        "settings"
    ]
    assert (settings["mail_from"], settings["smtp_port"], settings["smtp_security"]) == (
        "me@example.com",
        25,
        "none",
    )
    machine.session.xenapi.pool.set_other_config(
        pool, {"mail-destination": "a@b\nAuthPass=x", "ssmtp-mailhub": "mail.example.com"}
    )
    details = machine.refusal("configure_alerts", mail_from="me@example.com")
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", "mail_to"]
    assert "mail-destination" in details[2]


def test_who_would_get_each_alert_twice_is_told(machine, pool):
    def warnings(config, **more):
        machine.session.xenapi.pool.set_other_config(pool, config)
        return [
            warning
            for warning in machine.call("configure_alerts", **dict(SETTINGS, **more))["warnings"]
            if "twice" in warning
        ]

    mine = {"mail-destination": "Admin@example.com"}
    assert "mail-destination" in warnings(mine)[0]
    assert "priority 3" in warnings(mine)[0]
    assert "priority 1" in warnings(dict(mine, **{"mail-min-priority": "1"}))[0]
    assert (
        warnings({"mail-destination": "other@example.com"})
        == warnings(mine, xapi_messages="false")
        == warnings({})
        == []
    )


def test_settings_of_the_pool(machine, pool, login):
    """One host is a pool, too. The settings of a host alone go before the pool's, until the pool's
    are made anew.
    """
    xenapi = machine.session.xenapi
    machine.call("configure_alerts", **dict(SETTINGS, mail_to="own@example.com"))
    arguments = dict(SETTINGS, scope="pool", **login("s3cret"))
    reply = machine.call("configure_alerts", **arguments)
    assert reply["hosts"] == [
        {"host": HOST_UUID, "name_label": "dom0", "applied": True, "answer": ""}
    ]
    assert (reply["settings"]["scope"], reply["settings"]["mail_to"]) == (
        "pool",
        "admin@example.com",
    )
    kept = json.loads(xenapi.pool.get_other_config(pool)["xsraid-alerts"])
    assert kept["smtp_password_secret"] == arguments["smtp_password_secret"]
    assert "s3cret" not in repr(xenapi.pool.get_all_records())
    before = contents(machine)
    machine.write("etc/ssmtp/ssmtp.conf", "")
    assert machine.call("apply_alerts")["settings"] == reply["settings"]
    assert "AuthPass=s3cret" in machine.read("etc/ssmtp/ssmtp.conf")
    assert contents(machine)[1:] == before[1:]
    machine.call("configure_alerts", **dict(SETTINGS, mail_to="own@example.com"))
    assert machine.call("get_alerts")["settings"]["scope"] == "host"


@pytest.mark.parametrize(
    "change",
    [
        {"mail_to": "a@b\nPROGRAM /bin/sh"},
        {"smtp_host": "x\nAuthPass=y"},
        {"smtp_port": "25 x"},
        {"mail_from": None},
        {"smtp_user": ["x"]},
        {"smtp_security": "ssl"},
        {"xapi_messages": "maybe"},
    ],
)
def test_what_others_wrote_into_the_pools_settings_gets_into_no_file(machine, pool, change):
    """A pool-operator may write an other_config, but is not root in dom0."""
    machine.call("configure_alerts", **dict(SETTINGS, scope="pool"))
    before = contents(machine)
    kept = json.loads(machine.session.xenapi.pool.get_other_config(pool)["xsraid-alerts"])
    for text in (json.dumps(dict(kept, **change)), "no JSON", "[]", "{}"):
        machine.session.xenapi.pool.set_other_config(pool, {"xsraid-alerts": text})
        details = machine.refusal("apply_alerts")
        assert details[:2] == ["XSRAID_BAD_ARGUMENT", "xsraid-alerts"]
        assert "configure_alerts again" in details[2]
    assert contents(machine) == before
    xenapi = machine.session.xenapi
    # No alert is lost for that.
    assert alert_settings.wants_messages(machine.session, xenapi.host.get_by_uuid(HOST_UUID))


def test_nothing_is_kept(machine, pool):
    assert machine.refusal("apply_alerts")[0] == "XSRAID_NOT_CONFIGURED"


def test_every_host_of_the_pool(machine, pool, tmpdir, login):
    """Three more hosts: one that can, one whose /etc has no room, one that is down."""
    uuids = ["%d0000000-0000-4000-8000-000000000000" % number for number in range(1, 4)]
    members = [Machine(str(tmpdir.join(uuid)), uuid) for uuid in uuids]
    try:
        for number, member in enumerate(members):
            member.start(machine, "member%d" % number)
        os.mkdir(members[1].path("etc/mdadm.conf.xsraid-new"))
        members[2].stop()
        xenapi = machine.session.xenapi
        xenapi.host.set_other_config(
            xenapi.host.get_by_uuid(uuids[0]), {"xsraid-alerts": "of its own"}
        )
        hosts = machine.call("configure_alerts", **dict(SETTINGS, scope="pool", **login("s3cret")))[
            "hosts"
        ]
        assert [(host["name_label"], host["applied"]) for host in hosts] == [
            ("dom0", True),
            ("member0", True),
            ("member1", False),
            ("member2", False),
        ]
        assert "write /etc/mdadm.conf" in hosts[2]["answer"]
        assert hosts[3]["answer"]
        assert contents(members[0]) == contents(machine)
        assert "AuthPass=s3cret" in members[0].read("etc/ssmtp/ssmtp.conf")
        assert members[0].call("get_alerts")["settings"]["scope"] == "pool"
        assert "s3cret" not in json.dumps(hosts) + members[0].read("xapi.log") + machine.read(
            "xapi.log"
        )
    finally:
        for member in members:
            member.stop()


@pytest.fixture
def token(machine):
    xenapi = machine.session.xenapi
    return xenapi.secret.get_uuid(xenapi.secret.create({"value": "t0ken", "other_config": {}}))


URL = "https://hooks.example.com/{token}"


def test_a_webhook_and_its_token(machine, pool, token):
    webhook = {
        "webhook_urls": URL + ",https://other.example.com/x",
        "webhook_header": "X-Token: {token}",
    }
    reply = machine.call(
        "configure_alerts", **dict(SETTINGS, webhook_token_secret=token, **webhook)
    )
    assert {name: reply["settings"][name] for name in webhook} == webhook
    assert reply["settings"]["webhook_token_set"] is True
    assert "t0ken" not in json.dumps(reply)
    assert "t0ken" in machine.read("lib/xsraid/webhook")
    assert stat.S_IMODE(os.stat(machine.path("lib/xsraid/webhook")).st_mode) == 0o600
    assert "t0ken" not in repr(machine.session.xenapi.host.get_all_records())
    reply = machine.call("configure_alerts", **SETTINGS)
    assert reply["settings"]["webhook_urls"] is None
    assert not os.path.exists(machine.path("lib/xsraid/webhook"))


@pytest.mark.parametrize(
    "change,name",
    [
        ({"webhook_urls": "http://x/{token}"}, "webhook_urls"),
        ({"webhook_urls": "https://x/ y"}, "webhook_urls"),
        ({"webhook_urls": "https://user:password@x/{token}"}, "webhook_urls"),
        ({"webhook_urls": ",".join([URL] * 11)}, "webhook_urls"),
        ({"webhook_header": "X-Token"}, "webhook_header"),
        ({"webhook_urls": "https://x/"}, "webhook_token_secret"),
        ({"webhook_token_secret": None}, "webhook_token_secret"),
        ({"webhook_urls": None}, "webhook_urls"),
        ({"webhook_token_secret": "t0ken"}, "webhook_token_secret"),
    ],
)
def test_a_webhook_that_does_not_fit_changes_nothing(machine, pool, token, change, name):
    machine.call("configure_alerts", **SETTINGS)
    before = contents(machine)
    arguments = dict(SETTINGS, webhook_urls=URL, webhook_token_secret=token)
    arguments.update(change)
    details = machine.refusal(
        "configure_alerts", **{key: value for key, value in arguments.items() if value is not None}
    )
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", name]
    assert "t0ken" not in "".join(details[2:]).replace("{t", "")
    assert contents(machine) == before
    assert not os.path.exists(machine.path("lib/xsraid/webhook"))


@pytest.mark.parametrize("value", ["", "a b", "a\nX: y", "t\xf6ken", "x" * 501])
def test_a_token_that_no_header_can_carry_is_refused(machine, pool, value):
    xenapi = machine.session.xenapi
    secret = xenapi.secret.get_uuid(xenapi.secret.create({"value": value, "other_config": {}}))
    details = machine.refusal(
        "configure_alerts", **dict(SETTINGS, webhook_urls=URL, webhook_token_secret=secret)
    )
    assert details[:2] == ["XSRAID_BAD_ARGUMENT", "webhook_token_secret"]


NEEDED = ("mail_to", "mail_from", "smtp_host")


@pytest.mark.parametrize("scope", ["host", "pool"])
def test_settings_of_another_release_are_applied(machine, pool, scope):
    """An older one has put fewer of them into XAPI, a newer one more: whichever is missing has its
    default, what is unknown is left alone.
    """
    holder = machine.session.xenapi.pool if scope == "pool" else machine.session.xenapi.host
    ref = pool if scope == "pool" else holder.get_by_uuid(HOST_UUID)
    settings = machine.call("configure_alerts", **dict(SETTINGS, scope=scope))["settings"]
    kept = json.loads(holder.get_other_config(ref)["xsraid-alerts"])
    assert set(NEEDED) < set(kept)
    others = [{}, {"telegram_chat": "x", "quiet_hours": [1, 2]}]
    fewer = [
        {key: value for key, value in kept.items() if key != name}
        for name in kept
        if name not in NEEDED
    ]
    for known in fewer + [{name: kept[name] for name in NEEDED}]:
        for other in others:
            holder.set_other_config(ref, {"xsraid-alerts": json.dumps(dict(known, **other))})
            assert machine.call("apply_alerts")["settings"] == settings
    changed = machine.call(
        "configure_alerts", **dict(SETTINGS, scope=scope, mail_to="b@example.com")
    )["settings"]
    assert changed["mail_to"] == "b@example.com"
    assert json.loads(holder.get_other_config(ref)["xsraid-alerts"])["quiet_hours"] == [1, 2]


def test_a_pool_of_two_releases_has_the_settings_of_either(machine, pool, tmpdir):
    """What the member's release knows more of stays when the master's writes the pool's settings,
    and the member takes them over.
    """
    uuid = "10000000-0000-4000-8000-000000000000"
    member = Machine(str(tmpdir.join(uuid)), uuid)
    try:
        member.start(machine, "member")
        machine.call("configure_alerts", **dict(SETTINGS, scope="pool"))
        kept = json.loads(machine.session.xenapi.pool.get_other_config(pool)["xsraid-alerts"])
        machine.session.xenapi.pool.set_other_config(
            pool, {"xsraid-alerts": json.dumps(dict(kept, quiet_hours=[1, 2]))}
        )
        hosts = machine.call(
            "configure_alerts", **dict(SETTINGS, scope="pool", mail_to="b@example.com")
        )["hosts"]
        assert [host["applied"] for host in hosts if host["host"] == uuid] == [True]
        assert member.call("get_alerts")["settings"]["mail_to"] == "b@example.com"
        assert json.loads(machine.session.xenapi.pool.get_other_config(pool)["xsraid-alerts"])[
            "quiet_hours"
        ] == [1, 2]
    finally:
        member.stop()
