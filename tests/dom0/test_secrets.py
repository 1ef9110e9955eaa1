"""The mail server's password, after all that is done with it, is in ssmtp.conf and in XAPI's secret
and nowhere else.
"""

import json

from tests.dom0.dom0 import SMTP_USER
from tests.dom0.endurance import ALONE
from tests.dom0.steps import ALERTS, DISK_BYTES, devices, refusal
from tests.dom0.watching import fail, last_deliveries

DOM0_OPTIONS = {"disks": ("d0", "d1"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "3.6"
PASSWORD = "Kn0wn-and-s0ught-f0r"
SAMPLER = "/usr/bin/python3.11 /bed/dom0/guest/argv_sampler.py /run/sought /run/argv"
# All that this guest has written since it was made, and what it holds in memory. The mail server's
# own settings have the password, of course.
PLACES = "/boot/upper /run /tmp /dev/shm"
EXPECTED = {
    "/boot/upper/etc/ssmtp/ssmtp.conf",
    "/boot/upper/var/lib/xapi/state.json",
    "/run/sought",
    "/run/smtp/now",
    "/run/smtp/wish",
}


def test_the_password_is_nowhere_else(fresh_dom0):
    fresh_dom0.smtp("accept", password=PASSWORD)
    fresh_dom0.run("cat >/run/sought", stdin=PASSWORD)
    fresh_dom0.run(f"{SAMPLER} {ALONE} echo $! >/run/sampler.pid")
    replies = list(use(fresh_dom0))
    looks, *holders = fresh_dom0.run("kill $(cat /run/sampler.pid); cat /run/argv").out.splitlines()
    assert int(looks) > 20
    assert holders == []
    found = set(fresh_dom0.run(f"grep -rlaFf /run/sought {PLACES}", check=False).out.splitlines())
    assert found == EXPECTED
    assert (
        fresh_dom0.run("journalctl --no-pager --all | grep -cFf /run/sought", check=False).out
        == "0\n"
    )
    tables = json.loads(fresh_dom0.run("cat /var/lib/xapi/state.json").out)["tables"]
    assert [kind for kind, objects in tables.items() if PASSWORD in json.dumps(objects)] == [
        "secret"
    ]
    assert PASSWORD not in json.dumps(replies) + "".join(mail.text for mail in fresh_dom0.mails())


def use(dom0):
    """Do everything that has to do with the password; yield each reply."""
    secret = dom0.xapi(
        "secret.get_uuid", dom0.xapi("secret.create", {"value": PASSWORD, "other_config": {}})
    )
    login = dict(ALERTS, smtp_user=SMTP_USER, smtp_password_secret=secret)
    yield dom0.call("configure_alerts", **login)
    yield dom0.call("create_array", level=1, devices=devices(dom0, "d0", "d1"))
    yield dom0.call("test_alert")
    yield refusal(dom0, "configure_alerts", **dict(login, smtp_port="no port"))
    dom0.smtp("bad_auth", password=PASSWORD)
    yield refusal(dom0, "test_alert")
    dom0.smtp("accept", password=PASSWORD)
    yield dom0.call("configure_alerts", scope="pool", **login)
    yield dom0.call("apply_alerts")
    fail(dom0)
    dom0.wait_until(
        lambda: (
            [delivery["state"] for delivery in last_deliveries(dom0)] == ["accepted"] * 2
            and len(dom0.mails()) == 2
        )
    )
    yield dom0.call("alert_history")
    yield dom0.call("get_alerts")
