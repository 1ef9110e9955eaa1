"""The README holds what happens: its functions, its commands as pasted, and the script for a
workstation.
"""

import json
import re

from tests import readme
from tests.dom0 import record
from tests.dom0.dom0 import SMTP_HOST, SMTP_PASSWORD, SMTP_USER

PREFERRED_PYTHON = "3.6"
DOM0_OPTIONS = {"disks": ("d0", "d1", "d2", "d3", "d4", "d5", "d6", "d7")}
SCRIPT = "/usr/share/doc/xsraid/workstation.py"
XAPI_PASSWORD = "of-the-simulated-host"  # root's, over TCP


def shape(value):
    """Return what of a reply is the same each time: its keys, in their order, and types.

    What has just begun has no time left yet; of words there may be more, as of events that one
    alert tells of.
    """
    if isinstance(value, dict):
        return [
            (key, list(part) if key == "sync" and part else shape(part))
            for key, part in value.items()
        ]
    if isinstance(value, list):
        return (
            sorted({type(part).__name__ for part in value})
            if all(isinstance(part, str) for part in value)
            else list(map(shape, value))
        )
    return type(value).__name__


def test_the_functions_are_described_as_the_table_and_the_replies_have_it():
    assert readme.FUNCTIONS.read_text() == readme.current(), "run `make readme`"


def test_the_replies_look_as_recorded(fresh_dom0):
    recorded = json.loads(readme.RECORDED.read_text())
    replies = record.record(fresh_dom0)
    assert list(replies) == list(recorded)
    for function, call in recorded.items():
        assert shape(replies[function]["reply"]) == shape(call["reply"]), function


def test_the_commands_can_be_pasted(fresh_dom0):
    section = readme.README.read_text().split("## From bare disks")[1].split("\n## ")[0]
    commands = "\n".join(re.findall("^    (.*)$", section, re.MULTILINE)).replace(
        "name-label=dom0", "name-label=" + fresh_dom0.name
    )
    assert commands.count("xe host-call-plugin") == 5
    done = fresh_dom0.run(["/bin/bash", "-e", "-c", commands], stdin=SMTP_PASSWORD + "\n")
    replies = [json.loads(line) for line in done.out.splitlines() if line.startswith("{")]
    assert len(replies) == 5
    assert replies[3]["deliveries"][0]["accepted"]
    assert replies[4]["created"]
    assert "Local RAID10" in fresh_dom0.xe("sr-list")
    assert fresh_dom0.wait_for_mail(lambda mail: "XSRAID_TEST" in mail.headers["Subject"])


def test_the_same_from_a_workstation(fresh_dom0):
    """As a member of the pool's network would: over TCP, with root's password. The script is the
    one that the RPM laid down.
    """
    arguments = [
        "http://127.0.0.1",
        fresh_dom0.name,
        "10",
        "/dev/sda,/dev/sdb,/dev/sdc,/dev/sdd",
        "--mail-to",
        "admin@example.com",
        "--mail-from",
        SMTP_USER,
        "--smtp-host",
        SMTP_HOST,
        "--smtp-user",
        SMTP_USER,
    ]
    done = fresh_dom0.run(
        ["setsid", "--wait", "python3.11", SCRIPT, *arguments],
        stdin=f"{XAPI_PASSWORD}\n{SMTP_PASSWORD}\n",
    )
    assert "Test alert by mail: 250" in done.out
    assert "Storage repository" in done.out
    assert "1 more failures survived" in done.out
    assert SMTP_PASSWORD not in done.out + done.err
    again = fresh_dom0.run(
        ["setsid", "--wait", "python3.11", SCRIPT, *arguments],
        stdin=f"{XAPI_PASSWORD}\n",
        check=False,
    )
    assert again.status == 1
    assert (
        again.err.strip().splitlines()[-1].startswith("XSRAID_DISK_IN_USE: /dev/sda cannot be used")
    )
