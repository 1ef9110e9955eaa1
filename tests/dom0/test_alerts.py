"""From a fault to the reader: nothing is lost, nothing is told twice, whatever happens to mail
server, xapi, disk or power.
"""

import contextlib
import json
import time

import pytest

from tests.dom0.steps import DISK_BYTES, configure, devices, limit_sync, one_of, refusal, settled
from tests.dom0.watching import (
    FAILED,
    delivered,
    fail,
    heal,
    history,
    is_idle,
    last_deliveries,
    look_for_a_minute,
    messages,
    subjects,
    wait_until_monitored,
    watch,
)

LOGIN_IS_REFUSED, REFUSED_FOR_GOOD = (
    ("no_auth", "bad_auth"),
    ("reject_sender", "relay_denied", "reject", "refuse"),
)
DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"


@pytest.fixture
def watched(fresh_dom0):
    """A dom0 with a whole RAID1 on d0 and d1, md0, that mails."""
    watch(fresh_dom0)
    return fresh_dom0


@pytest.fixture
def healed(dom0, request):
    """The dom0 of `watched` as the test before left it, but healed. Much faster."""
    if dom0.run("[ -b /dev/md0 ] && [ -e /var/lib/xsraid/alerts ]", check=False).status:
        return request.getfixturevalue("watched")
    heal(dom0)
    return dom0


def test_a_failed_disk_is_one_alert_and_its_rebuild_another(watched):
    failed, spare = watched.disk("d1"), watched.disk("d2")
    sr = watched.call("create_sr", array="md0", name_label="Local")["sr_uuid"]
    fail(watched)
    mail = watched.wait_for_mail()
    assert mail.headers["Subject"] == FAILED.format(failed.device)
    assert mail.headers["Auto-Submitted"] == "auto-generated"
    for words in (
        failed.serial,
        failed.by_id,
        "ST4000NM0035",
        sr,
        "No redundancy left",
        "slot    1",
        "/dev/md0, raid1, degraded",
        "[2/1]",
        "fn=replace_disk",
    ):
        assert words in mail.text
    delivered(watched, "XSRAID_DISK_FAILED")
    watched.run(
        f"mdadm --manage /dev/md0 --remove {failed.device}; mdadm --manage /dev/md0 --add "
        f"{spare.device}"
    )
    delivered(watched, "XSRAID_REBUILD_FINISHED")
    assert [alert["events"] for alert in watched.call("alert_history")["alerts"]][1] in (
        ["Fail"],
        ["Fail", "RebuildStarted"],
    )
    assert list(history(watched)) == ["XSRAID_DISK_FAILED", "XSRAID_REBUILD_FINISHED"]
    assert len(subjects(watched)) == len(messages(watched)) == 2
    first, second = watched.mails()
    assert {"From", "To", "Date", "Message-ID", "MIME-Version", "Content-Type"} <= set(
        first.headers
    )
    assert first.headers["References"] == second.headers["References"]
    assert first.headers["Message-ID"] != second.headers["Message-ID"]
    sent = [
        record
        for record in watched.xapi("message.get_all_records").values()
        if record["name"] == "XSRAID_DISK_FAILED"
    ]
    assert [(record["cls"], record["obj_uuid"], record["priority"]) for record in sent] == [
        ("SR", sr, "2")
    ]
    watched.wait_until(lambda: is_idle(watched))


def test_building_and_checking_alarm_nobody(watched):
    """However long it takes: an array that lacks a member is told of after ten seconds."""
    limit_sync(watched, 2000)
    watched.run(
        "mdadm --create /dev/md1 --run --level=5 --raid-devices=2 "
        f"{' '.join(devices(watched, 'd2', 'd3'))}"
    )
    watched.run("echo check >/sys/block/md0/md/sync_action")
    look_for_a_minute(watched)
    under_way = {
        record["device"]: record["sync"]["action"]
        for record in watched.call("list_arrays")["arrays"]
        if record["sync"]
    }
    assert under_way == {"/dev/md0": "check", "/dev/md1": "recover"}
    assert history(watched) == {}
    assert subjects(watched) == []
    assert messages(watched) == []
    limit_sync(watched, 1000000)
    settled(watched, "md1")
    settled(watched)
    look_for_a_minute(watched)
    assert history(watched) == {}
    assert subjects(watched) == []
    assert messages(watched) == []


def test_a_new_array_on_disks_that_were_not_blank_alarms_nobody(watched):
    """Its first resync counts as mismatches what was on them, and mdadm's event is that of a check;
    what a check then finds is told.
    """
    members = devices(watched, "d2", "d3")
    watched.run(
        f"for disk in {' '.join(members)}; do dd if=/dev/urandom of=$disk bs=1M seek=32 count=8 "
        "oflag=direct; done"
    )
    watched.call("create_array", level=10, devices=members)
    assert settled(watched, "md1")["mismatch_count"] > 0
    watched.run(f"sleep 2; dd if=/dev/urandom of={members[0]} bs=1M seek=64 count=1 oflag=direct")
    assert history(watched) == {}
    assert subjects(watched) == []
    watched.call("check_array", array="md1", action="start")
    delivered(watched, "XSRAID_MISMATCHES")


# How the mail server behaves, and a part of the advice on it.
OUT_OF_ORDER = [
    ("bad_auth", "app password"),
    ("greylist", "tried again"),
    ("stall_after_data", "said nothing"),
    *one_of(
        ("reject", "operator"),
        ("vanish", "Nobody answers at port 587"),
        ("refuse", "greets with 554"),
        ("stall", "said nothing"),
        ("no_starttls", "no STARTTLS"),
        ("no_auth", "login"),
        ("reject_sender", "mail_from"),
        ("relay_denied", "relay"),
        ("close", "ended before"),
        ("later", "tried again"),
    ),
]


@pytest.mark.parametrize("mode,advice", OUT_OF_ORDER)
def test_a_mail_server_that_is_out_of_order_for_a_while(healed, mode, advice):
    healed.smtp(mode)
    fail(healed)
    tried = healed.wait_until(
        lambda: [
            one
            for one in last_deliveries(healed, "XSRAID_DISK_FAILED")
            if one["channel"] == "mail" and one["tries"]
        ]
    )[0]
    assert (tried["state"], subjects(healed)) == ("waiting", [])
    assert tried["response"]
    assert advice in tried["advice"]
    told = {"XSRAID_DISK_FAILED": {"mail": "waiting", "xapi": "accepted"}}
    if mode in LOGIN_IS_REFUSED:
        told["XSRAID_ALERT_UNDELIVERED"] = {"xapi": "accepted"}
    healed.wait_until(lambda: history(healed) == told)
    healed.smtp("accept")
    if mode in LOGIN_IS_REFUSED + REFUSED_FOR_GOOD:
        configure(healed)  # somebody has mended the settings
    else:
        # Sooner than its next look, for which another test waits.
        healed.run("systemctl restart xsraid-deliver.timer")
    delivered(healed, "XSRAID_DISK_FAILED")
    assert subjects(healed) == [FAILED.format(healed.disk("d1").device)]
    assert sorted(messages(healed)) == sorted(told)
    mailed = last_deliveries(healed, "XSRAID_DISK_FAILED")[0]
    assert mailed["tries"] >= 2
    assert mailed["advice"] == ""


@pytest.mark.parametrize("mode", one_of("relay_denied", "bad_auth"))
def test_what_is_refused_for_good_is_tried_once_an_hour(healed, mode):
    healed.smtp(mode)
    fail(healed)
    healed.wait_until(
        lambda: (
            last_deliveries(healed, "XSRAID_DISK_FAILED")[:1]
            and last_deliveries(healed, "XSRAID_DISK_FAILED")[0]["tries"] == 1
        )
    )
    healed.smtp("accept")
    for _ in range(3):
        healed.run("systemctl restart xsraid-deliver.timer; sleep 1.5")
    assert subjects(healed) == []
    assert last_deliveries(healed, "XSRAID_DISK_FAILED")[0]["tries"] == 1
    healed.run("date -s '+61 minutes'; systemctl restart xsraid-deliver.timer")
    delivered(healed, "XSRAID_DISK_FAILED")


def test_a_mute_mail_server_keeps_no_message_waiting(watched):
    """Faults while a mail is under way: each is in XAPI at once."""
    watched.run("sed -i 's/^smtp_timeout_s = .*/smtp_timeout_s = 25/' /etc/xsraid.conf")
    watched.call("create_array", level=1, devices=devices(watched, "d2", "d3"))
    settled(watched, "md1")
    watched.run("systemctl restart xsraid-deliver.timer; sleep 2")
    watched.smtp("stall")
    fail(watched)
    watched.wait_until(lambda: messages(watched) == ["XSRAID_DISK_FAILED"], 10)
    watched.run("sleep 5")
    fail(watched, "d3", "md1")
    watched.wait_until(lambda: messages(watched) == ["XSRAID_DISK_FAILED"] * 2, 10)
    assert subjects(watched) == []
    assert {one["state"] for one in last_deliveries(watched) if one["channel"] == "mail"} == {
        "waiting"
    }
    watched.smtp("accept")
    watched.wait_until(lambda: len(subjects(watched)) == 2, 90)


def test_one_of_three_addresses_is_refused(watched):
    """The others have the mail at once, and the history says which is refused."""
    configure(watched, mail_to="a@example.com,nobody@example.com,c@example.com")
    watched.smtp("reject_nobody")
    fail(watched)
    watched.wait_until(lambda: len(watched.mails()) == 2)
    mailed = watched.wait_until(
        lambda: [
            one
            for one in last_deliveries(watched)
            if one["channel"] == "mail" and one["state"] == "accepted"
        ]
    )[0]
    assert [(one["address"], one["state"]) for one in mailed["recipients"]] == [
        ("a@example.com", "accepted"),
        ("c@example.com", "accepted"),
        ("nobody@example.com", "refused"),
    ]
    assert mailed["response"].startswith("nobody@example.com: ")
    assert "550 5.1.1" in mailed["response"]
    (mail,) = [one for one in watched.call("test_alert")["deliveries"] if one["channel"] == "mail"]
    assert mail["accepted"]
    assert "nobody@example.com" in mail["response"]
    configure(watched)


def test_it_is_tried_again_by_itself(healed):
    healed.smtp("greylist")
    fail(healed)
    healed.wait_until(
        lambda: last_deliveries(healed) and last_deliveries(healed)[0]["tries"] >= 2, 60
    )
    healed.smtp("accept")
    delivered(healed, "XSRAID_DISK_FAILED")
    healed.wait_until(
        lambda: (
            is_idle(healed)
            or healed.run("systemctl is-active xsraid-deliver.timer").out == "active\n"
        )
    )


@pytest.mark.parametrize(
    "fault,failure",
    [
        ("session.login_with_password.fail", "HOST_STILL_BOOTING"),
        ("message.create.fail", "INTERNAL_ERROR\nno"),
        ("message.create.fail-after", "INTERNAL_ERROR\nthe answer is lost"),
        ("message.create.delay-after", "8"),
    ],
)
def test_xapi_refuses_or_hangs_for_a_while(healed, fault, failure):
    """Where only its answer was lost, XAPI has the message and gets no second one."""
    healed.run(f"mkdir -p /run/xapi-faults && printf '{failure}' >/run/xapi-faults/{fault}")
    fail(healed)
    assert healed.wait_for_mail().headers["Subject"] == FAILED.format(healed.disk("d1").device)
    healed.run("sleep 2; rm /run/xapi-faults/*; systemctl restart xsraid-deliver.timer")
    delivered(healed, "XSRAID_DISK_FAILED")
    healed.run("sleep 1")
    assert messages(healed) == ["XSRAID_DISK_FAILED"]
    assert len(subjects(healed)) == 1


def test_xapi_is_down_for_a_while(watched):
    watched.run("systemctl stop xapi.service")
    fail(watched)
    assert watched.wait_for_mail().headers["Subject"] == FAILED.format(watched.disk("d1").device)
    watched.run("sleep 3; systemctl start xapi.service")
    watched.wait_until_xapi()
    delivered(watched, "XSRAID_DISK_FAILED")
    assert messages(watched) == ["XSRAID_DISK_FAILED"]
    assert len(subjects(watched)) == 1


def test_the_spools_disk_is_full(watched):
    watched.run(
        "mkdir /run/full && cp -a /var/lib/xsraid/. /run/full && mount -t tmpfs -o "
        "size=24k,mode=700 tmpfs /var/lib/xsraid && cp -a /run/full/. /var/lib/xsraid; cat "
        "/dev/zero >/var/lib/xsraid/fill",
        check=False,
    )
    try:
        fail(watched)
        assert watched.wait_for_mail().headers["Subject"] == FAILED.format(
            watched.disk("d1").device
        )
        watched.wait_until(lambda: messages(watched) == ["XSRAID_DISK_FAILED"])
        watched.run("sleep 12; rm /var/lib/xsraid/fill; systemctl restart xsraid-deliver.timer")
        delivered(watched, "XSRAID_DISK_FAILED")
        assert len(subjects(watched)) == len(messages(watched)) == 1
    finally:
        watched.run(
            "systemctl stop xsraid-deliver.timer xsraid-deliver.service; umount /var/lib/xsraid"
        )


@contextlib.contextmanager
def read_only_root(dom0):
    """/tmp is on it, as a dom0 has it."""
    folders = "/etc /tmp /var/tmp /var/lib/xsraid"
    dom0.run(
        f"for folder in {folders}; do mount --bind $folder $folder && mount -o remount,bind,ro "
        "$folder || exit; done"
    )
    try:
        assert dom0.run("touch /var/lib/xsraid/file", check=False).status != 0
        yield
    finally:
        dom0.run(f"systemctl stop xsraid-deliver.timer xsraid-deliver.service; umount {folders}")


def test_the_root_is_read_only(watched):
    """The event is in /run meanwhile."""
    with read_only_root(watched):
        fail(watched)
        assert watched.wait_for_mail().headers["Subject"] == FAILED.format(
            watched.disk("d1").device
        )
        watched.wait_until(lambda: messages(watched) == ["XSRAID_DISK_FAILED"])
    watched.run("systemctl restart xsraid-deliver.timer")
    delivered(watched, "XSRAID_DISK_FAILED")
    assert len(subjects(watched)) == len(messages(watched)) == 1


def test_the_clock_is_set_back_and_ahead(watched):
    watched.smtp("vanish")
    try:
        watched.run("date -s '-1 day'")
        fail(watched)
        watched.wait_until(
            lambda: history(watched).get("XSRAID_DISK_FAILED", {}).get("xapi") == "accepted"
        )
        watched.run("date -s '+30 days'; systemctl restart xsraid-deliver.timer")
        watched.wait_until(
            lambda: watched.call("alert_history")["alerts"][-1]["deliveries"][0]["tries"] >= 2
        )
        watched.smtp("accept")
        watched.wait_for_mail(
            lambda mail: mail.headers["Subject"] == FAILED.format(watched.disk("d1").device), 60
        )
    finally:
        watched.run(f"date -s @{time.time():.0f}")


def test_power_is_cut_between_fault_and_delivery(watched):
    watched.smtp("vanish")
    failed = watched.disk("d1").device
    fail(watched)
    watched.wait_until(
        lambda: (
            {".alert", ".event"}
            & {name[-6:] for name in watched.run("ls /var/lib/xsraid/spool").out.split()}
        )
    )
    watched.cut_power()
    watched.boot()
    mail = watched.wait_for_mail(timeout_s=60)
    assert mail.headers["Subject"] == FAILED.format(failed)
    delivered(watched, "XSRAID_DISK_FAILED")
    assert subjects(watched).count(FAILED.format(failed)) == 1
    assert len(set(subjects(watched))) == len(subjects(watched))


def test_a_disk_that_is_pulled_is_one_alert(watched):
    """udev takes it out of the array at once, and the arrays are looked at before the monitor has
    named it.
    """
    pulled = watched.pull_disk("d1")
    delivered(watched, "XSRAID_DISK_FAILED")
    watched.run("sleep 6")
    assert subjects(watched) == [FAILED.format(pulled.device)]
    assert messages(watched) == ["XSRAID_DISK_FAILED"]
    assert pulled.serial in watched.mails()[0].text


@pytest.mark.parametrize("in_use", one_of(True, False))
def test_raid0_which_mdadm_does_not_monitor_is_seen(watched, in_use):
    """md keeps a RAID0 that is in use; udev stops one that is not."""
    watched.call("create_array", level=0, devices=devices(watched, "d2", "d3"))
    watched.run("systemctl restart xsraid-deliver.timer; sleep 1")
    watched.run(
        "mkfs.ext4 -q /dev/md1 && mkdir -p /srv/x && mount /dev/md1 /srv/x" if in_use else "true"
    )
    watched.pull_disk("d3")
    watched.run(
        "dd if=/dev/zero of=/srv/x/file bs=1M count=8 oflag=direct; umount -l /srv/x", check=False
    )
    delivered(watched, "XSRAID_ARRAY_FAILED" if in_use else "XSRAID_ARRAY_MISSING")


@pytest.mark.exhaustive
def test_five_hundred_events_in_a_burst(watched):
    fail(watched)
    watched.run(
        "for turn in $(seq 500); do /usr/libexec/xsraid/event-hook Fail /dev/md0 "
        f"{watched.disk('d1').device}; done"
    )
    watched.wait_until(lambda: watched.run("ls /var/lib/xsraid/spool").out == "memory\n", 120)
    assert 1 <= len(subjects(watched)) == len(messages(watched)) <= 6


def test_erased_the_host_mails_by_itself_again(watched):
    watched.run("rpm --erase --force-debian xsraid")
    try:
        wait_until_monitored(watched)
        fail(watched)
        assert "Fail event on /dev/md0" in watched.wait_for_mail().headers["Subject"]
    finally:
        watched.run("rpm --install --force-debian /share/xsraid-*.rpm")


def test_typed_by_hand_mdadm_still_mails(watched):
    watched.run("mdadm --monitor --scan --test --oneshot")
    assert "TestMessage event on /dev/md0" in watched.wait_for_mail().headers["Subject"]


def test_a_test_that_fails_is_not_tried_again(watched):
    watched.smtp("reject")
    assert refusal(watched, "test_alert")[0] == "XSRAID_MAIL_REJECTED"
    watched.smtp("accept")
    watched.run("sleep 7")
    assert subjects(watched) == []
    assert history(watched) == {"XSRAID_TEST": {"mail": "given up", "xapi": "accepted"}}


def tasks(dom0, status="pending"):
    """Return {name: progress} of XAPI's tasks that are about arrays."""
    return {
        task["name_label"]: task["progress"]
        for task in dom0.xapi("task.get_all_records").values()
        if "xsraid-array" in task["other_config"] and task["status"] == status
    }


@pytest.mark.parametrize("ends_well", one_of(True, False))
def test_a_rebuild_is_a_task_of_xapi_that_follows_it(watched, ends_well):
    failed, spare = watched.disk("d1"), watched.disk("d2")
    limit_sync(watched, 2000)
    fail(watched)
    delivered(watched, "XSRAID_DISK_FAILED")
    watched.run(
        f"mdadm --manage /dev/md0 --remove {failed.device}; mdadm --manage /dev/md0 --add "
        f"{spare.device}"
    )
    title = f"Rebuilding md0, {spare.device}"
    first = watched.wait_until(lambda: tasks(watched).get(title))
    assert 0 < first < 0.9
    watched.wait_until(lambda: tasks(watched)[title] > first)
    if ends_well:
        limit_sync(watched, 200000)
    else:
        watched.run(f"mdadm --manage /dev/md0 --set-faulty {spare.device}")
    ended = watched.wait_until(lambda: tasks(watched, "success" if ends_well else "failure"))
    assert (ended == {title: 1.0}) == ends_well
    assert list(ended) == [title]
    assert tasks(watched) == {}
    limit_sync(watched, 200000)


def test_a_host_takes_over_the_pools_settings_when_its_xapi_starts(watched):
    """As it does that was down when they were made, or that has joined the pool just now."""
    settings = watched.call("get_alerts")["settings"]
    watched.run("systemctl start xsraid-settings.path")
    (pool,) = watched.xapi("pool.get_all")
    kept = json.loads(watched.xapi("host.get_other_config", "@host")["xsraid-alerts"])
    watched.xapi("host.remove_from_other_config", "@host", "xsraid-alerts")
    watched.xapi(
        "pool.add_to_other_config",
        pool,
        "xsraid-alerts",
        json.dumps(dict(kept, mail_to="others@example.com")),
    )
    watched.run("systemctl restart xapi.service")
    watched.wait_until_xapi()
    wanted = dict(settings, mail_to="others@example.com", scope="pool")
    watched.wait_until(lambda: watched.call("get_alerts")["settings"] == wanted)
    assert watched.call("test_alert")["deliveries"][0]["accepted"]
    assert watched.mails()[-1].recipients == ["others@example.com"]
    watched.run("systemctl stop xapi.service; sleep 2")
    assert watched.run("systemctl is-active xapi.service", check=False).out == "inactive\n"
