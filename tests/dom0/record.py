#!/usr/bin/env python3
"""Call each function once in a miniature dom0 and keep arguments and reply for the README, in
tests/recorded_calls.json.
"""

import json
import os

from tests.dom0.dom0 import PROJECT, SMTP_HOST, SMTP_PASSWORD, SMTP_USER, Dom0
from tests.dom0.steps import settled

RECORDED = os.path.join(PROJECT, "tests", "recorded_calls.json")

BY_HAND = (
    "modprobe loop; truncate -s 64M /srv/a /srv/b; losetup /dev/loop0 /srv/a; losetup /dev/loop1 "
    "/srv/b; mdadm -q --create /dev/md127 --run --level=1 --raid-devices=2 --assume-clean "
    "/dev/loop0 /dev/loop1; udevadm settle; xe sr-create content-type=user "
    "device-config:device=/dev/md127 name-label='Made by hand' shared=false type=lvm"
)


def calls(dom0):
    """Yield (function, arguments), in an order in which each can succeed."""
    yield "list_disks", {}
    yield "create_array", {"level": "10", "devices": "/dev/sda,/dev/sdb,/dev/sdc,/dev/sdd"}
    yield "list_arrays", {}
    secret = dom0.run(["xe", "secret-create", "value=" + SMTP_PASSWORD]).out.strip()
    yield (
        "configure_alerts",
        {
            "mail_to": "admin@example.com",
            "mail_from": SMTP_USER,
            "smtp_host": SMTP_HOST,
            "smtp_user": SMTP_USER,
            "smtp_password_secret": secret,
        },
    )
    yield "apply_alerts", {}
    yield "get_alerts", {}
    yield "test_alert", {"array": "md0"}
    yield "alert_history", {"count": "1"}
    yield "create_sr", {"array": "md0"}
    settled(dom0)
    yield "check_array", {"array": "md0", "action": "start"}
    settled(dom0)
    yield "identify_disk", {"disk": dom0.disk("d1").serial, "seconds": "2"}
    old, new = dom0.disk("d1"), dom0.disk("d5")
    yield "replace_disk", {"array": "md0", "disk": old.device, "new_disk": new.device}
    settled(dom0)
    yield "remove_disk", {"array": "md0", "disk": old.device, "wipe_old": "true"}
    yield "add_disk", {"array": "md0", "disk": old.device}
    yield "fail_disk", {"array": "md0", "disk": old.device, "confirm": old.serial}
    dom0.call("create_array", level=1, devices=[dom0.disk(name).device for name in ("d6", "d7")])
    yield "delete_array", {"array": "md1", "confirm": "md1"}
    yield (
        "grow_array",
        {"array": "md0", "devices": ",".join(dom0.disk(name).device for name in ("d6", "d7"))},
    )
    dom0.run(BY_HAND)
    yield "adopt_array", {"array": "md127"}
    yield "help", {"function": "list_arrays"}
    yield "version", {}


def record(dom0):
    """Return {function: {"arguments", "reply"}} of one call of each."""
    dom0.run(
        "mkfs.ext4 -q /dev/sde && mkdir -p /srv/iso && mount /dev/sde /srv/iso; echo 20000 "
        ">/proc/sys/dev/raid/speed_limit_max"
    )
    return {
        function: {"arguments": arguments, "reply": dom0.call(function, **arguments)}
        for function, arguments in calls(dom0)
    }


def main():
    with Dom0(python="system", disks=("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7")) as dom0:
        dom0.wait_until_xapi()
        recorded = record(dom0)
    with open(RECORDED, "w", encoding="utf-8") as target:
        json.dump(recorded, target, indent=1)
        target.write("\n")


if __name__ == "__main__":
    main()
