"""Alerts by webhook, to a real https server: as JSON, with the token and nobody else's business,
and independent of mail and xapi.
"""

import json
import os

import pytest

from tests.dom0.endurance import ALONE
from tests.dom0.steps import ALERTS, DISK_BYTES, devices, one_of
from tests.dom0.watching import wait_until_watching

DOM0_OPTIONS = {"disks": ("d0", "d1", "d2"), "disk_bytes": DISK_BYTES}
PREFERRED_PYTHON = "2.7"
TOKEN = "s3cret-t0ken"
URL = "https://smtp.example.com:8443/hooks/{token}"


@pytest.fixture
def hooked(fresh_dom0):
    """A dom0 with a whole mirror md0 that alerts by mail, XAPI and webhook; the server's log is
    empty.
    """
    if os.path.exists(fresh_dom0.share + "/webhook.log"):
        os.unlink(fresh_dom0.share + "/webhook.log")
    fresh_dom0.run(
        f"/usr/bin/python3.11 /bed/dom0/guest/webhook_server.py {ALONE} echo $! "
        ">/run/webhook.pid; sleep 1"
    )
    configure(fresh_dom0)
    fresh_dom0.call("create_array", level=1, devices=devices(fresh_dom0, "d0", "d1"), name="md0")
    wait_until_watching(fresh_dom0)
    yield fresh_dom0
    fresh_dom0.run("kill $(cat /run/webhook.pid); rm -f /run/webhook-status", check=False)


def configure(dom0, urls=URL, **more):
    secret = dom0.xe("secret-create value=" + TOKEN).strip()
    return dom0.call(
        "configure_alerts",
        **dict(
            ALERTS,
            smtp_security="none",
            smtp_port=25,
            webhook_urls=urls,
            webhook_token_secret=secret,
            **more,
        ),
    )


def posted(dom0):
    path = dom0.share + "/webhook.log"
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as log:
        return [json.loads(line) for line in log]


def fails(dom0, disk="d1"):
    dom0.run(f"mdadm --manage /dev/md0 --set-faulty {dom0.disk(disk).device}")


def told(dom0, name="XSRAID_DISK_FAILED"):
    return [one["body"] for one in posted(dom0) if one["body"]["name"] == name]


def test_an_alert_is_posted_once_with_all_that_is_known(hooked):
    configure(hooked, webhook_header="X-Token: Bearer {token}")
    disk = hooked.disk("d1")
    fails(hooked)
    (body,) = hooked.wait_until(lambda: told(hooked))
    assert body["disk"] == disk.device
    assert body["array"] == "/dev/md0"
    assert body["priority"] == 2
    assert disk.device in body["text"]
    assert body["host"] == "dom0"
    assert body["host_uuid"] == hooked.host_uuid
    assert disk.serial in body["body"]
    (request,) = [one for one in posted(hooked) if one["body"]["name"] == "XSRAID_DISK_FAILED"]
    assert request["path"] == "/hooks/" + TOKEN
    assert request["headers"]["X-Token"] == "Bearer " + TOKEN
    wanted = dict.fromkeys(("mail", "xapi", "webhook"), "accepted")
    hooked.wait_until(
        lambda: (
            wanted
            in [
                {one["channel"]: one["state"] for one in alert["deliveries"]}
                for alert in hooked.call("alert_history")["alerts"]
            ]
        )
    )
    said = (
        json.dumps(hooked.call("get_alerts"))
        + json.dumps(hooked.call("alert_history"))
        + hooked.run("journalctl --no-pager -t xsraid -b").out
    )
    assert TOKEN not in said
    assert "webhook_token_set" in said


@pytest.mark.parametrize("status", one_of("mute", "503", "echo"))
def test_what_is_not_taken_is_posted_again_and_keeps_no_other_channel_waiting(hooked, status):
    hooked.run(f"echo {status} >/run/webhook-status")
    fails(hooked)
    hooked.wait_for_mail()
    hooked.wait_until(
        lambda: (
            "XSRAID_DISK_FAILED"
            in [one["name"] for one in hooked.xapi("message.get_all_records").values()]
        )
    )
    hooked.wait_until(lambda: told(hooked))
    waiting = hooked.wait_until(
        lambda: [
            one
            for alert in hooked.call("alert_history")["alerts"]
            for one in alert["deliveries"]
            if one["channel"] == "webhook" and one["tries"]
        ]
    )[0]
    assert waiting["state"] == "waiting"
    assert waiting["response"]
    assert TOKEN not in json.dumps(waiting)
    hooked.run("rm /run/webhook-status; systemctl restart xsraid-deliver.timer")
    hooked.wait_until(lambda: hooked.call("get_alerts")["waiting"] == 0)
    assert len({one["id"] for one in told(hooked)}) == 1
    assert len(told(hooked)) >= 2


def test_a_refusal_for_good_says_what_to_do(hooked):
    for status, advice in (
        ("302", "redirects"),
        ("401", "token"),
        ("404", "no webhook at this address"),
        ("500", "tried again"),
    ):
        hooked.run(f"echo {status} >/run/webhook-status")
        deliveries = {one["channel"]: one for one in hooked.call("test_alert")["deliveries"]}
        assert not deliveries["webhook"]["accepted"]
        assert advice in deliveries["webhook"]["advice"]
        assert status in deliveries["webhook"]["response"]
        assert deliveries["mail"]["accepted"]
        assert deliveries["xapi"]["accepted"]


def test_a_certificate_of_another_name_gets_no_token(hooked):
    configure(hooked, urls="https://127.0.0.1:8443/{token}")
    deliveries = {one["channel"]: one for one in hooked.call("test_alert")["deliveries"]}
    assert not deliveries["webhook"]["accepted"]
    assert "TLS fails" in deliveries["webhook"]["response"]
    assert posted(hooked) == []


def test_each_address_has_a_state_of_its_own(hooked):
    nobody = "https://smtp.example.com:8444/{token}"
    configure(hooked, urls=URL + "," + nobody)
    (delivery,) = [
        one for one in hooked.call("test_alert")["deliveries"] if one["channel"] == "webhook"
    ]
    assert not delivery["accepted"]
    assert [(one["address"], one["state"]) for one in delivery["recipients"]] == [
        (URL, "accepted"),
        (nobody, "later"),
    ]
