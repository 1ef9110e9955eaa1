"""In a host's own dom0, with the real plugin: what is shown, on a terminal and in a pipe, and the
exit statuses.
"""

import json
import os
import re

import pytest

COLOURS = re.compile("\x1b\\[[0-9]*m")
RESYNC = {
    "md__sync_action": "resync",
    "md__sync_completed": "65024 / 260096",
    "md__sync_speed": "4096",
}
DEGRADED = {"members": (("sda", "in_sync", 0), ("sdb", "faulty", 1))}


@pytest.fixture
def configured(machine):
    machine.write("etc/mdadm.conf", "ARRAY /dev/md0 UUID=6bd4d5e1:0b5d4f4c:a1f0c6f3:8d8f7a31\n")


@pytest.mark.parametrize(
    "typed", ["disks", "status", "status md0", "alerts show", "alerts history", "version"]
)
def test_a_pipe_gets_what_a_terminal_does_without_colour(local, sysfs, typed):
    sysfs.array(**RESYNC)
    piped, terminal = local(*typed.split()), local.on_terminal(*typed.split())
    assert piped.status == terminal.status == 0
    assert COLOURS.sub("", terminal.out) == piped.out + piped.err
    assert "\x1b" not in piped.out + piped.err
    assert max(len(line) for line in piped.out.splitlines()) <= 80


def test_colour_marks_what_is_well_and_what_is_not(local, sysfs, configured):
    sysfs.array(**DEGRADED)
    shown = local.on_terminal("status").out
    assert "\x1b[31mdegraded\x1b[0m" in shown
    assert "\x1b[31mfaulty\x1b[0m: sdb, serial Z1Z1" in shown
    assert "\x1b" not in local.on_terminal("status", more={"NO_COLOR": "1"}).out
    assert "\x1b" not in local.on_terminal("status", more={"TERM": "dumb"}).out


def test_a_resync_has_a_bar_and_the_time_left(local, sysfs, configured):
    sysfs.array(**RESYNC)
    assert "  md0 resync  [#####---------------] 25.0 %  4 MB/s  23 s left\n" in local("status").out


@pytest.mark.parametrize(
    "state,status",
    [({}, 0), (RESYNC, 0), (dict(RESYNC, md__sync_action="check"), 0), (DEGRADED, 3), (None, 3)],
)
def test_status_tells_by_its_exit_status_whether_all_is_well(
    local, sysfs, configured, state, status
):
    if state is not None:
        sysfs.array(**state)
    assert local("status").status == local("status", "--json").status == status


def test_json_is_the_reply_as_it_came(local, sysfs, machine):
    sysfs.array()
    xenapi = machine.session.xenapi
    reply = xenapi.host.call_plugin(
        xenapi.host.get_by_uuid(machine.host_uuid), "xsraid", "list_arrays", {"array": "md0"}
    )
    assert (
        local("status", "md0", "--json").out == reply + "\n" == local("--json", "status", "md0").out
    )
    assert local.on_terminal("status", "md0", "--json").out == reply + "\n"


def test_a_plugins_refusal_is_one_sentence_in_words_to_type(local, sysfs):
    done = local("status", "md7")
    assert (done.status, done.out) == (1, "")
    assert (
        done.err
        == "xsraid: 'md7': no array of this host has this node, name or uuid. `xsraid status` "
        "shows those there are.\n"
    )


def test_watching_redraws_in_place(local, sysfs):
    sysfs.array(**RESYNC)
    shown = local.on_terminal("status", "--watch", until="\x1b[4A\r\x1b[J")
    assert shown.status == 130
    assert shown.out.count("ARRAY") == 2
    assert "Traceback" not in shown.out


def test_watching_in_a_pipe_prints_blocks(local, sysfs):
    sysfs.array()
    process = local.start("status", "--watch")
    lines = [process.stdout.readline() for _ in range(8)]
    process.terminate()
    assert process.wait(10) == 143
    assert lines[:4] == lines[4:]
    assert lines[3] == "\n"
    process.communicate()


def test_a_reader_that_has_seen_enough_is_no_error(local, sysfs):
    sysfs.array()
    process = local.start("status", "--watch")
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(10) == 1
    assert process.stderr.read() == ""
    process.stderr.close()


def test_no_session_is_left(local, machine, sysfs):
    local("status")
    local("status", "md7")
    count = len(getattr(machine.session.xenapi.event, "from")(["session"], "", 0.0)["events"])
    assert count == 1, "only the tests' own"


def test_a_xapi_that_does_not_answer(local, machine):
    os.rename(machine.path("lib/xcp/xapi"), machine.path("lib/xcp/aside"))
    try:
        done = local("status")
        machine.write("lib/xcp/xapi", "")
        refused = local("status")
    finally:
        os.rename(machine.path("lib/xcp/aside"), machine.path("lib/xcp/xapi"))
    assert done.status == 2
    assert "no XenServer or XCP-ng host" in done.err
    assert "--pool" in done.err
    assert refused.status == 1
    assert "systemctl status xapi" in refused.err
    assert len(refused.err.splitlines()) == 2


def test_options_of_a_pool_need_one(local):
    done = local("status", "--user", "olga")
    assert done.status == 2
    assert "--pool ADDRESS" in done.err


def test_all_hosts_of_the_pool_that_this_one_is_in(local, sysfs, configured):
    sysfs.array()
    done = local("status", "--host", "all")
    assert done.status == 0
    assert "dom0  md0" in done.out
    assert (
        json.loads(local("status", "--host", "all", "--json").out)["dom0"]["arrays"][0]["device"]
        == "/dev/md0"
    )


def test_another_host_is_not_known(local):
    assert (
        local("status", "--host", "dom9").err
        == "xsraid: The pool has no host dom9.\nThis pool has dom0.\n"
    )
