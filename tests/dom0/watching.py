"""A dom0 that watches an array and mails: what the tests of alerts share."""

from tests.dom0.steps import configure, devices, settled

FAILED = "[xsraid] XSRAID_DISK_FAILED: disk {} failed, /dev/md0 on dom0"


def watch(dom0, **settings):
    """Make a RAID1 on d0 and d1, md0, in a fresh dom0, and configure alerts; the mail server gets 3
    s for a mail.
    """
    dom0.run("printf '[mail]\\nsmtp_timeout_s = 3\\n' >/etc/xsraid.conf")
    configure(dom0, **settings)
    dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"))
    settled(dom0)
    wait_until_watching(dom0)


def heal(dom0):
    """Make md0 whole again and have nothing told or remembered of it."""
    dom0.smtp("accept")
    dom0.run(
        "systemctl stop xsraid-deliver.timer xsraid-deliver.service mdmonitor; rm -rf "
        "/run/xapi-faults; "
        "rm -f /var/lib/xsraid/mail_login /var/lib/xsraid/spool/* /var/lib/xsraid/history/* "
        "/run/xsraid/spool/* /share/mail/*; "
        "mdadm -q --manage /dev/md0 --remove faulty; mdadm -q --manage /dev/md0 --add "
        f"{dom0.disk('d1').device}; true"
    )
    settled(dom0)
    for message in dom0.xapi("message.get_all_records"):
        dom0.xapi("message.destroy", message)
    dom0.run("systemctl start mdmonitor")
    wait_until_watching(dom0)


def wait_until_watching(dom0):
    """Wait until the array has been seen to be whole, and nothing waits."""
    dom0.wait_until(
        lambda: (
            'was_whole": true' in dom0.run("cat /var/lib/xsraid/spool/memory", check=False).out
            and is_idle(dom0)
        )
    )


MONITOR_WAITS = """
for process in $(pgrep -x mdadm); do
    readlink /proc/$process/fd/* | grep -q ^/proc/mdstat && grep -q '^State:.S' /proc/$process/status && exit 0
done
exit 1"""  # noqa: E501


def wait_until_monitored(dom0):
    """Wait until mdadm's monitor, whosever it is, has looked at the arrays and waits: of what was
    so before, it names no disk.
    """
    dom0.wait_until(lambda: dom0.run(MONITOR_WAITS, check=False).status == 0)


def is_idle(dom0):
    return dom0.run(
        "systemctl is-active xsraid-deliver.timer xsraid-deliver.service", check=False
    ).out.split() == ["inactive", "inactive"]


def look_for_a_minute(dom0):
    """Have the arrays looked at now and, by the clock, a minute later: what their state alone is
    worth an alert is told by then.
    """
    dom0.run(
        "systemctl start xsraid-deliver.service && date -s '+60 seconds' && systemctl start "
        "xsraid-deliver.service"
    )


def fail(dom0, disk="d1", array="md0"):
    fail_device(dom0, dom0.disk(disk).device, "/dev/" + array)


def fail_device(dom0, device, node):
    dom0.run(f"mdadm --manage {node} --set-faulty {device}")


def history(dom0):
    """Return {name: {channel: state}} of the alerts, the names in the order of time; each must be
    there once.
    """
    alerts = dom0.call("alert_history")["alerts"][::-1]
    assert len({alert["name"] for alert in alerts}) == len(alerts)
    return {
        alert["name"]: {delivery["channel"]: delivery["state"] for delivery in alert["deliveries"]}
        for alert in alerts
    }


def last_deliveries(dom0, name=None):
    """Return the deliveries of the last alert, or the last of that name, [mail's, XAPI's], [] if
    there is none.
    """
    alerts = [
        alert for alert in dom0.call("alert_history")["alerts"] if name in (None, alert["name"])
    ]
    return alerts[0]["deliveries"] if alerts else []


def delivered(dom0, name):
    """Wait until an alert has been delivered on both channels."""
    return dom0.wait_until(
        lambda: history(dom0).get(name) == {"mail": "accepted", "xapi": "accepted"}, interval_s=0.5
    )


def subjects(dom0):
    return [mail.headers["Subject"] for mail in dom0.mails()]


def messages(dom0):
    return [message["name"] for message in dom0.xapi("message.get_all_records").values()]
