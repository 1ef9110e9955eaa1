"""From a fault to the reader: nothing is lost, nothing is told twice, whatever happens to mail server, xapi, disk or power."""
import time

import pytest

from steps import DISK_BYTES, configure, devices, refusal, settled

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"


@pytest.fixture
def watched(fresh_dom0):
    """A dom0 with a whole RAID1 on d0 and d1, md0, that mails; the mail server gets 3 s for a mail."""
    fresh_dom0.run("printf '[mail]\\nsmtp_timeout_s = 3\\n' >/etc/xsraid.conf")
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"))
    settled(fresh_dom0)
    fresh_dom0.wait_until(lambda: "was_whole\": true" in fresh_dom0.run("cat /var/lib/xsraid/spool/memory", check=False).out)
    return fresh_dom0


def fail(dom0, disk="d1", array="md0"):
    dom0.run(f"mdadm --manage /dev/{array} --set-faulty {dom0.disk(disk).device}")


def history(dom0):
    """Return {name: {channel: state}} of the alerts, the names in the order of time; each must be there once."""
    alerts = dom0.call("alert_history")["alerts"][::-1]
    assert len({alert["name"] for alert in alerts}) == len(alerts)
    return {alert["name"]: {delivery["channel"]: delivery["state"] for delivery in alert["deliveries"]} for alert in alerts}


def delivered(dom0, name, timeout_s=30):
    """Wait until an alert has been delivered on both channels."""
    return dom0.wait_until(lambda: history(dom0).get(name) == {"mail": "accepted", "xapi": "accepted"}, timeout_s, interval_s=0.5)


def subjects(dom0):
    return [mail.headers["Subject"] for mail in dom0.mails()]


def messages(dom0):
    return [message["name"] for message in dom0.xapi("message.get_all_records").values()]


def is_idle(dom0):
    return dom0.run("systemctl is-active xsraid-deliver.timer xsraid-deliver.service", check=False).out.split() == ["inactive", "inactive"]


FAILED = "[xsraid] XSRAID_DISK_FAILED: disk {} failed, /dev/md0 on dom0"


def test_a_failed_disk_is_one_alert_and_its_rebuild_another(watched):
    failed, spare = watched.disk("d1"), watched.disk("d2")
    sr = watched.call("create_sr", array="md0", name_label="Local")["sr_uuid"]
    fail(watched)
    mail = watched.wait_for_mail()
    assert mail.headers["Subject"] == FAILED.format(failed.device) and mail.headers["Auto-Submitted"] == "auto-generated"
    for words in (failed.serial, failed.by_id, "ST4000NM0035", sr, "No redundancy left", "slot    1", "/dev/md0, raid1, degraded", "[2/1]", "--add"):
        assert words in mail.text
    delivered(watched, "XSRAID_DISK_FAILED")
    watched.run(f"mdadm --manage /dev/md0 --remove {failed.device}; mdadm --manage /dev/md0 --add {spare.device}")
    delivered(watched, "XSRAID_REBUILD_FINISHED", 60)
    assert list(history(watched)) == ["XSRAID_DISK_FAILED", "XSRAID_REBUILD_FINISHED"] and len(subjects(watched)) == len(messages(watched)) == 2
    first, second = watched.mails()
    assert first.headers["References"] == second.headers["References"] and first.headers["Message-ID"] != second.headers["Message-ID"]
    sent = [record for record in watched.xapi("message.get_all_records").values() if record["name"] == "XSRAID_DISK_FAILED"]
    assert [(record["cls"], record["obj_uuid"], record["priority"]) for record in sent] == [("SR", sr, "2")]
    watched.wait_until(lambda: is_idle(watched))


def test_building_and_checking_alarm_nobody(watched):
    disks = watched.disks()
    watched.run(f"mdadm --create /dev/md1 --run --level=5 --raid-devices=2 {disks['d2'].device} {disks['d3'].device}")
    settled(watched, "md1")
    watched.run("echo check >/sys/block/md0/md/sync_action")
    settled(watched)
    watched.run("sleep 2")
    assert history(watched) == {} and subjects(watched) == [] and messages(watched) == []


@pytest.mark.parametrize("mode", ["vanish", "stall", "stall_after_data", "reject", "bad_auth", "greylist"])
def test_a_mail_server_that_is_out_of_order_for_a_while(watched, mode):
    watched.smtp(mode)
    fail(watched)
    watched.wait_until(lambda: history(watched).get("XSRAID_DISK_FAILED") == {"mail": "waiting", "xapi": "accepted"})
    tried = watched.call("alert_history")["alerts"][0]["deliveries"][0]
    assert tried["tries"] >= 0 and subjects(watched) == []
    watched.wait_until(lambda: watched.call("alert_history")["alerts"][0]["deliveries"][0]["tries"] >= 2, 60)
    assert watched.call("alert_history")["alerts"][0]["deliveries"][0]["response"]
    watched.smtp("accept")
    delivered(watched, "XSRAID_DISK_FAILED", 90)
    assert subjects(watched) == [FAILED.format(watched.disk("d1").device)] and messages(watched) == ["XSRAID_DISK_FAILED"]


def test_xapi_is_down_for_a_while(watched):
    watched.run("systemctl stop xapi.service")
    fail(watched)
    assert watched.wait_for_mail().headers["Subject"] == FAILED.format(watched.disk("d1").device)
    watched.run("sleep 3; systemctl start xapi.service")
    watched.wait_until_xapi()
    delivered(watched, "XSRAID_DISK_FAILED", 60)
    assert messages(watched) == ["XSRAID_DISK_FAILED"] and len(subjects(watched)) == 1


def test_the_spools_disk_is_full(watched):
    watched.run("mkdir /run/full && cp -a /var/lib/xsraid/. /run/full && mount -t tmpfs -o size=24k,mode=700 tmpfs /var/lib/xsraid && "
                "cp -a /run/full/. /var/lib/xsraid; cat /dev/zero >/var/lib/xsraid/fill", check=False)
    try:
        fail(watched)
        assert watched.wait_for_mail().headers["Subject"] == FAILED.format(watched.disk("d1").device)
        watched.wait_until(lambda: messages(watched) == ["XSRAID_DISK_FAILED"])
        watched.run("sleep 12; rm /var/lib/xsraid/fill; systemctl restart xsraid-deliver.timer")
        delivered(watched, "XSRAID_DISK_FAILED", 60)
        assert len(subjects(watched)) == len(messages(watched)) == 1
    finally:
        watched.run("umount /var/lib/xsraid")


def test_the_clock_is_set_back_and_ahead(watched):
    watched.smtp("vanish")
    watched.run("date -s '-1 day'")
    fail(watched)
    watched.wait_until(lambda: history(watched).get("XSRAID_DISK_FAILED", {}).get("xapi") == "accepted")
    watched.run("date -s '+30 days'; systemctl restart xsraid-deliver.timer")
    watched.wait_until(lambda: watched.call("alert_history")["alerts"][-1]["deliveries"][0]["tries"] >= 2)
    watched.smtp("accept")
    watched.wait_for_mail(lambda mail: mail.headers["Subject"] == FAILED.format(watched.disk("d1").device), 60)
    watched.run(f"date -s @{time.time():.0f}")


def test_power_is_cut_between_fault_and_delivery(watched):
    watched.smtp("vanish")
    failed = watched.disk("d1").device
    fail(watched)
    watched.wait_until(lambda: {".alert", ".event"} & {name[-6:] for name in watched.run("ls /var/lib/xsraid/spool").out.split()})
    watched.cut_power()
    watched.boot()
    mail = watched.wait_for_mail(timeout_s=60)
    assert mail.headers["Subject"] == FAILED.format(failed)
    delivered(watched, "XSRAID_DISK_FAILED", 60)
    assert subjects(watched).count(FAILED.format(failed)) == 1 and len(set(subjects(watched))) == len(subjects(watched))


@pytest.mark.parametrize("in_use", [True, False])
def test_raid0_which_mdadm_does_not_monitor_is_seen(watched, in_use):
    """md keeps a RAID0 that is in use; udev stops one that is not."""
    watched.call("create_array", level=0, devices=devices(watched, "d2", "d3"))
    watched.run("systemctl restart xsraid-deliver.timer; sleep 1")
    watched.run("mkfs.ext4 -q /dev/md1 && mkdir -p /srv/x && mount /dev/md1 /srv/x" if in_use else "true")
    watched.pull_disk("d3")
    watched.run("dd if=/dev/zero of=/srv/x/file bs=1M count=8 oflag=direct; umount -l /srv/x", check=False)
    delivered(watched, "XSRAID_ARRAY_FAILED" if in_use else "XSRAID_ARRAY_MISSING")


def test_five_hundred_events_in_a_burst(watched):
    fail(watched)
    watched.run(f"for turn in $(seq 500); do /usr/libexec/xsraid/event-hook Fail /dev/md0 {watched.disk('d1').device}; done", timeout_s=300)
    watched.wait_until(lambda: watched.run("ls /var/lib/xsraid/spool").out == "memory\n", 120)
    assert 1 <= len(subjects(watched)) == len(messages(watched)) <= 6


def test_erased_the_host_mails_by_itself_again(watched):
    watched.run("rpm --erase --force-debian xsraid")
    try:
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
    assert subjects(watched) == [] and history(watched) == {"XSRAID_TEST": {"mail": "given up", "xapi": "accepted"}}
