"""Three miniature dom0s as one pool: any member answers for any other, alert settings reach all,
and one that cannot be reached holds up none.
"""

import concurrent.futures
import json
import socket
import subprocess
import sys
import time

import pytest

from tests.dom0.dom0 import CommandFailed, XapiFailure
from tests.dom0.pools import MASTER_ADDRESS
from tests.dom0.steps import configure
from tests.dom0.uml import HERE

PREFERRED_PYTHON = "3.6"
CUT_OFF = "Cannot forward messages because the server cannot be contacted."
# One attempt to connect, of ten seconds at most. Real xapi makes ten, with ten seconds between
# them.
CONTACT_LIMIT_S = 30
START_SWITCH = """
import sys
from tests.dom0.pools import Network
Network(sys.argv[1]).start()
print("started", flush=True)
input()
"""


def asked(caller, host, function, **arguments):
    """Return what a function of the plugin replies on host, called with xe in the dom0 caller."""
    words = "".join(f" args:{key}={value}" for key, value in arguments.items())
    return json.loads(
        caller.xe(f"host-call-plugin host-uuid={host.host_uuid} plugin=xsraid fn={function}{words}")
    )


def arrays(caller, host):
    return [array["name"] for array in asked(caller, host, "list_arrays")["arrays"]]


def mail_to(dom0):
    """Return where a dom0 mails to, as it says itself, and None if nothing is configured or it
    cannot say.
    """
    try:
        return dom0.call("get_alerts")["settings"]["mail_to"]
    except (CommandFailed, XapiFailure, KeyError, TypeError):
        return None


def array_on_b(dom0s):
    """Return the name of the array on b, made by a call from a where there is none yet."""
    if not arrays(dom0s.a, dom0s.b):
        devices = ",".join(disk.device for disk in dom0s.b.disks().values())
        asked(dom0s.a, dom0s.b, "create_array", level=1, devices=devices)
    return arrays(dom0s.a, dom0s.b)[0]


def is_served(path):
    """Return whether something listens on a unix socket."""
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(path) == 0


def test_member_calls_for_a_member(dom0s):
    for caller in dom0s.all:
        serials = {disk["serial"] for disk in asked(caller, dom0s.b, "list_disks")["disks"]}
        # The boot disk has none.
        assert serials - {None} == {disk.serial for disk in dom0s.b.disks().values()}
    name = array_on_b(dom0s)
    assert name in dom0s.b.run("cat /proc/mdstat").out
    assert [arrays(dom0s.a, host) for host in dom0s.all] == [[], [], [name]]
    assert not any(
        "md0" in host.run("cat /proc/mdstat", check=False).out for host in (dom0s.master, dom0s.a)
    )


def test_member_does_not_answer_over_the_network(dom0s):
    """Its own xe hands the command on to the master; who asks from elsewhere is told who the master
    is.
    """
    login = f"-u root -pw {dom0s.a.run('cat /etc/xapi-password').out.strip()}"
    refused = dom0s.a.xe(f"host-list -s 10.0.0.3 {login}", check=False)
    assert "You cannot make regular API calls directly on a pool member" in refused
    assert MASTER_ADDRESS in refused
    assert set(
        dom0s.a.xe(f"host-list -s {MASTER_ADDRESS} {login} --minimal").strip().split(",")
    ) == {dom0.host_uuid for dom0 in dom0s.all}


def test_alert_settings_reach_every_host(dom0s):
    array_on_b(dom0s)
    hosts = configure(dom0s.a, scope="pool", mail_to="first@example.com")["hosts"]
    assert {(host["name_label"], host["applied"]) for host in hosts} == {
        ("master", True),
        ("a", True),
        ("b", True),
    }
    assert [mail_to(dom0) for dom0 in dom0s.all] == ["first@example.com"] * 3
    asked(dom0s.a, dom0s.b, "test_alert")
    assert dom0s.b.wait_for_mail().recipients == ["first@example.com"]
    assert dom0s.a.mails() == []


def test_host_that_is_cut_off_and_comes_back(dom0s):
    """A call for it fails in time, it holds up none of the others, and it takes over what it has
    missed.
    """
    name = array_on_b(dom0s)
    dom0s.b.run("ip link set eth0 down")
    with concurrent.futures.ThreadPoolExecutor() as threads:
        configured = threads.submit(configure, dom0s.a, scope="pool", mail_to="second@example.com")
        begin = time.monotonic()
        with pytest.raises(CommandFailed) as failed:
            asked(dom0s.a, dom0s.b, "list_arrays")
        assert time.monotonic() - begin < CONTACT_LIMIT_S
        assert CUT_OFF in failed.value.completed.err
        assert dom0s.b.host_uuid in failed.value.completed.err
        assert arrays(dom0s.a, dom0s.master) == arrays(dom0s.master, dom0s.a) == []
        hosts = {host["name_label"]: host for host in configured.result()["hosts"]}
    assert {name: host["applied"] for name, host in hosts.items()} == {
        "master": True,
        "a": True,
        "b": False,
    }
    assert "CANNOT_CONTACT_HOST" in hosts["b"]["answer"]
    assert [mail_to(dom0) for dom0 in (dom0s.master, dom0s.a)] == ["second@example.com"] * 2

    # As a member's xapi does by itself when it has lost its master.
    dom0s.b.run("systemctl restart --no-block xapi.service")
    dom0s.b.run("ip link set eth0 up")
    dom0s.b.wait_until(lambda: mail_to(dom0s.b) == "second@example.com", interval_s=0.5)
    assert arrays(dom0s.a, dom0s.b) == [name]


def test_switch_ends_with_whom_it_serves(tmp_path):
    path = str(tmp_path / "switch")
    starter = subprocess.Popen(
        [sys.executable, "-c", START_SWITCH, path],
        cwd=HERE,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout.readline() == "started\n"
    assert is_served(path)
    starter.kill()
    starter.communicate()
    deadline = time.monotonic() + 10
    while is_served(path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
