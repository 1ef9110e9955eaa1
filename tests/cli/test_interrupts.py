"""Ctrl-C, and a plugin or a host that never answers: no session is left, nothing is called
twice.
"""

import signal
import time

import pytest

from tests.cli.processes import PASSWORD, wait_for_call

SAID = "xsraid: interrupted; what a host has begun goes on there, `xsraid status` shows it\n"


@pytest.fixture
def sleeping(one):
    one.answer(list_arrays="sleep")
    one.server.write("calls", "")
    return one


@pytest.mark.parametrize(
    "number,status,said",
    [(signal.SIGINT, 130, SAID), (signal.SIGTERM, 143, ""), (signal.SIGHUP, 129, "")],
)
def test_a_signal_during_a_call_leaves_no_session(remote, sleeping, number, status, said):
    process = remote.start("status", password=PASSWORD)
    wait_for_call(sleeping)
    process.send_signal(number)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (status, "", said)
    assert sleeping.session_count() == 0


def test_nohup_is_heeded(remote, sleeping):
    process = remote.start("status", password=PASSWORD, before=("nohup",))
    wait_for_call(sleeping)
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.terminate()
    process.communicate(timeout=20)
    assert process.returncode == 143


def test_a_second_ctrl_c_does_not_keep_it_from_logging_out(remote, sleeping):
    process = remote.start("status", password=PASSWORD)
    wait_for_call(sleeping)
    for _ in range(3):
        process.send_signal(signal.SIGINT)
        time.sleep(0.01)
    assert process.communicate(timeout=20)[1] == SAID
    assert sleeping.session_count() == 0


def test_ctrl_c_on_a_terminal(remote, one):
    one.answer(list_arrays={"arrays": []})
    shown = remote.on_terminal("status", "--watch", until="No arrays here", password=PASSWORD)
    assert shown.status == 130
    assert shown.out.endswith(SAID)
    assert "Traceback" not in shown.out
    assert one.session_count() == 0


def test_an_answer_that_is_lost_is_not_asked_for_again(remote, one):
    """xmlrpc's own client would call once more."""
    one.answer()
    one.server.write("calls", "")
    one.server.write("faults/host.call_plugin.die-after", "")
    done = remote("version", password=PASSWORD)
    assert done.status == 1
    assert len(done.err.splitlines()) == 2
    one.server.process.wait(10)
    one.server.start()
    assert [function for function, _ in one.calls()] == ["version"]
