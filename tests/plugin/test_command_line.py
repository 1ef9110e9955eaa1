"""The command line under each Python that a dom0 has: over the local socket, and over the network
as from another host.
"""

from __future__ import unicode_literals

import json
import os
import subprocess
import sys

import pytest

from tests.plugin.conftest import PASSWORD, PROJECT
from xsraid import __version__


@pytest.fixture
def xsraid(machine):
    """Return a function that runs the command in the machine's dom0 and returns (status, out, err);
    secrets: for its standard input.
    """
    spaces = ["--mount"] if os.geteuid() == 0 else ["--user", "--preserve-credentials", "--mount"]
    command = (
        ["nsenter", "--target", str(machine.process.pid)]
        + spaces
        + ["--wd=/", "--", sys.executable, "-m", "xsraid_cli"]
    )
    environment = dict(os.environ, PYTHONPATH=PROJECT, LC_ALL="C")

    def run(*words, **given):
        process = subprocess.Popen(
            command + list(words),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        out, err = process.communicate(given.get("secrets", "").encode("utf-8"))
        return process.returncode, out.decode("utf-8"), err.decode("utf-8")

    return run


def test_on_the_host_itself(xsraid, sysfs):
    sysfs.array()
    assert xsraid("status") == (
        0,
        "ARRAY  LEVEL  SIZE     HEALTH   REDUNDANCY                 SR\n"
        "md0    raid1  127 MiB  optimal  one more failure survived  -\n"
        "  md0 has no line in /etc/mdadm.conf: xsraid adopt md0\n",
        "",
    )
    status, out, _ = xsraid("status", "md0", "--json")
    assert status == 0
    assert json.loads(out)["arrays"][0]["device"] == "/dev/md0"
    assert "Z1Z2" in xsraid("disks")[1]
    assert __version__ in xsraid("version")[1]


def test_a_refusal_with_letters_that_ascii_lacks(xsraid, machine):
    assert xsraid("status", "m\xfcll".encode("utf-8"))[::2] == (
        1,
        "xsraid: 'm\xfcll': no array of this host has this node, name or uuid. `xsraid status` "
        "shows those there are.\n",
    )


def test_a_host_whose_name_has_letters_that_ascii_lacks(xsraid, machine):
    xenapi = machine.session.xenapi
    ref = xenapi.host.get_by_uuid(machine.host_uuid)
    xenapi.host.set_name_label(ref, "d\xf6m0")
    try:
        assert xsraid("status", "--host", "d\xf6m0".encode("utf-8"))[0] == 0
        assert xsraid("status", "--host", "d\xf6m1".encode("utf-8")) == (
            2,
            "",
            "xsraid: The pool has no host d\xf6m1.\nThis pool has d\xf6m0.\n",
        )
        machine.write("plugins/xsraid.aside", machine.read("plugins/xsraid"))
        os.unlink(machine.path("plugins/xsraid"))
        assert xsraid("status")[2].startswith("xsraid: xsraid is not installed on d\xf6m0.")
    finally:
        xenapi.host.set_name_label(ref, "dom0")
        os.rename(machine.path("plugins/xsraid.aside"), machine.path("plugins/xsraid"))
        os.chmod(machine.path("plugins/xsraid"), 0o755)


def test_over_the_network(xsraid, machine, sysfs):
    sysfs.array(md__array_state="inactive")
    options = ["--pool", "http://" + machine.address, "--insecure", "--password-fd", "0"]
    status, out, err = xsraid("status", *options, secrets=PASSWORD + "\n")
    assert status == 3
    assert "inactive" in out
    assert err.startswith("Warning: --insecure")
    status, _, err = xsraid("status", *options, secrets="wrong\n")
    assert status == 1
    assert "User or password are wrong" in err


def test_a_mail_password_becomes_a_secret(xsraid, machine):
    words = [
        "alerts",
        "set",
        "--mail-to",
        "a@example.com",
        "--mail-from",
        "b@example.com",
        "--smtp-host",
        "smtp.example.com",
        "--smtp-user",
        "b",
    ]
    status, out, err = xsraid(*words + ["--smtp-password-fd", "0", "--yes"], secrets="p\xe4ss\n")
    assert status == 0, err
    assert "smtp password set  yes" in out, err
    assert "AuthPass=p\xe4ss\n" in machine.read("etc/ssmtp/ssmtp.conf")
