"""Twenty power cuts at any moment between a fault and its delivery: what was on disk is told, and
twice only where the cut hit between hand-over and note.
"""

import pytest

from tests.dom0.endurance import chance, wait_until_brought_up
from tests.dom0.steps import DISK_BYTES
from tests.dom0.watching import delivered, fail, heal, messages, watch

DOM0_OPTIONS = {"disks": ("d0", "d1"), "disk_bytes": DISK_BYTES}
IS_LONG = True
PREFERRED_PYTHON = "3.6"
pytestmark = pytest.mark.exhaustive
CUTS = 20
DELIVERED_S = 2.5  # a bit more than a delivery takes, so that some cuts come after it
TOLD = {"XSRAID_DISK_FAILED", "XSRAID_ARRAY_DEGRADED"}


def test_power_cuts_between_fault_and_delivery(fresh_dom0):
    random, told_count = chance(), 0
    watch(fresh_dom0)
    for number in range(CUTS):
        delay_s = random.uniform(0, DELIVERED_S)
        print(f"cut {number}: {delay_s:.3f} s after the fault")
        fresh_dom0.run("sync")
        fail(fresh_dom0)
        fresh_dom0.run(f"sleep {delay_s:.3f}")
        fresh_dom0.cut_power()
        had = {mail.headers["Message-ID"] for mail in fresh_dom0.mails()}
        fresh_dom0.boot()
        told_count += check(fresh_dom0, had)
        heal(fresh_dom0)
    # The others md itself has forgotten: it takes a member back that failed a moment before the
    # cut.
    assert told_count >= CUTS // 2


def check(dom0, had):
    """Check what becomes of one fault; return whether it was told. had: the Message-IDs of the
    mails that arrived before the cut.
    """
    wait_until_brought_up(dom0)
    is_degraded = dom0.call("list_arrays")["arrays"][0]["health"] in ("degraded", "rebuilding")
    alerts = [
        alert["name"] for alert in dom0.call("alert_history")["alerts"] if alert["name"] in TOLD
    ]
    if not (is_degraded or alerts or had):
        return False
    name = dom0.wait_until(
        lambda: [
            alert["name"] for alert in dom0.call("alert_history")["alerts"] if alert["name"] in TOLD
        ]
    )[0]
    delivered(dom0, name)
    mails = [mail for mail in dom0.mails() if any(told in mail.headers["Subject"] for told in TOLD)]
    copies = [mail.headers["Message-ID"] for mail in mails]
    assert 1 <= len(set(copies)) == messages(dom0).count(name) <= 1
    assert len(copies) <= 2
    assert had <= set(copies) or not had
    return True
