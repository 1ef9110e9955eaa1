import errno
import glob
import os
import signal
import stat
import subprocess
import threading
import time

import pytest

from tests import system_faults
from xsraid.errors import Busy, CommandFailed, NotConfigured, Timeout
from xsraid.host import config
from xsraid.host.files import Host
from xsraid.host.process import run

DEFAULTS = config.Settings(
    smtp_timeout_s=30,
    mdadm_timeout_s=60,
    boot_wait_s=30,
    reminder_s=86400,
    check_every_days=28,
    check_hours=(1, 6),
    check_min_kib_s=1024,
    check_max_kib_s=102400,
    log_level="info",
)


@pytest.fixture
def host(tmpdir):
    tmpdir.mkdir("etc")
    tmpdir.ensure("run", "lock", dir=True)
    return Host(str(tmpdir))


def test_replace_keeps_a_files_mode_and_sets_a_new_one_before_the_content(host, tmpdir):
    host.replace("/etc/open", "x")
    assert stat.S_IMODE(os.stat(str(tmpdir.join("etc/open"))).st_mode) == 0o644
    tmpdir.join("etc/shut").write("old")
    tmpdir.join("etc/shut").chmod(0o600)
    host.replace("/etc/shut", "new")
    assert (
        tmpdir.join("etc/shut").read(),
        stat.S_IMODE(os.stat(str(tmpdir.join("etc/shut"))).st_mode),
    ) == ("new", 0o600)
    staged = host.stage("/etc/secret", "s3cret", 0o640, "mail")
    assert stat.S_IMODE(os.stat(staged.aside).st_mode) == 0o640
    assert not tmpdir.join("etc/secret").check()
    staged.discard()
    assert sorted(os.listdir(str(tmpdir.join("etc")))) == ["open", "shut"]


def test_bytes_that_are_no_utf8_survive(host, tmpdir):
    tmpdir.join("etc/latin").write_binary(b"# caf\xe9\nA=1\n")
    host.replace("/etc/latin", host.read("/etc/latin").replace("A=1", "A=2"))
    assert tmpdir.join("etc/latin").read_binary() == b"# caf\xe9\nA=2\n"


def test_a_link_is_followed_not_replaced(host, tmpdir):
    tmpdir.join("etc/real").write("old")
    tmpdir.join("etc/link").mksymlinkto("real")
    host.replace("/etc/link", "new")
    assert tmpdir.join("etc/real").read() == "new"
    assert tmpdir.join("etc/link").islink()


def test_what_a_killed_call_left_aside_is_no_obstacle(host, tmpdir):
    tmpdir.join("etc/file.xsraid-new").write("left behind")
    host.replace("/etc/file", "new")
    assert os.listdir(str(tmpdir.join("etc"))) == ["file"]


def test_a_file_that_cannot_be_written_is_named():
    with pytest.raises(CommandFailed) as caught:
        Host("/").replace("/proc/version", "x")
    assert caught.value.parameters[0] == "write /proc/version"
    assert "as it was" in caught.value.sentence


def paths_of(descriptor_or_paths):
    return [
        os.readlink("/proc/self/fd/%d" % one) if isinstance(one, int) else one
        for one in descriptor_or_paths
    ]


def test_the_content_of_a_file_is_on_disk_before_its_name_and_then_that(host, mocker):
    """A power cut leaves the old file or the new one, never an empty one; once the call has
    returned it is the new one.
    """
    calls, reals = [], {"fsync": os.fsync, "rename": os.rename, "unlink": os.unlink}

    def noting(name):
        def call(*arguments):
            calls.append((name, os.path.basename(paths_of(arguments)[0])))
            return reals[name](*arguments)

        return call

    for name in reals:
        mocker.patch("os." + name, side_effect=noting(name))
    host.replace("/etc/file", "new")
    host.move("/etc/file", "/etc/moved")
    host.remove("/etc/moved")
    written, moved, removed = (
        [call for call in calls if call != ("unlink", "file.xsraid-new")][:3],
        calls[-5:-2],
        calls[-2:],
    )
    assert written == [
        ("fsync", "file.xsraid-new"),
        ("rename", "file.xsraid-new"),
        ("fsync", "etc"),
    ]
    assert moved == [("fsync", "file"), ("rename", "file"), ("fsync", "etc")]
    assert removed == [("unlink", "moved"), ("fsync", "etc")]


@pytest.mark.parametrize(
    "call,number",
    [
        ("os.write", errno.ENOSPC),
        ("os.write", errno.EDQUOT),
        ("os.fsync", errno.EIO),
        ("os.fsync", errno.ENOSPC),
        ("os.fchmod", errno.EPERM),
        ("os.fchown", errno.EPERM),
        ("os.rename", errno.EIO),
        ("os.rename", errno.EROFS),
    ],
)
@pytest.mark.parametrize("old", [None, "old"])
def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(
    host, tmpdir, mocker, call, number, old
):
    if old:
        tmpdir.join("etc/file").write(old)
    system_faults.fails(mocker, call, number)
    with pytest.raises(CommandFailed) as caught:
        host.replace("/etc/file", "new")
    assert caught.value.parameters[1] == errno.errorcode[number]
    assert "as it was" in caught.value.sentence
    assert [path.basename for path in tmpdir.join("etc").listdir()] == (["file"] if old else [])
    assert old is None or tmpdir.join("etc/file").read() == old


def test_a_write_that_takes_a_part_goes_on(host, tmpdir, mocker):
    real = os.write
    mocker.patch("os.write", side_effect=lambda descriptor, content: real(descriptor, content[:3]))
    host.replace("/etc/file", "more than three bytes")
    assert tmpdir.join("etc/file").read() == "more than three bytes"


def test_lock_names_its_holder_and_ends_with_it(host):
    with host.lock("create_array"):
        with pytest.raises(Busy) as caught, host.lock("create_sr"):
            pass
        assert "create_array" in caught.value.sentence
    with host.lock("create_sr"):
        pass


def test_a_call_waits_for_what_takes_a_moment(host, mocker):
    """The hourly look at the arrays must make no administrator's call fail."""
    brief = host.lock("the monthly check", is_brief=True)
    with brief:
        timer = threading.Timer(0.3, brief.release)
        brief.keep()
        timer.start()
        brief_call, other_call = Host(host.root), Host(host.root)
        with brief_call.lock("create_sr"), pytest.raises(Busy) as caught:
            other_call.lock("create_array").__enter__()
    assert "create_sr" in caught.value.sentence
    mocker.patch("xsraid.host.files.BRIEF_S", 0.2)
    with host.lock("the monthly check", is_brief=True), pytest.raises(Busy) as caught:
        Host(host.root).lock("create_sr").__enter__()
    assert "the monthly check" in caught.value.sentence


def test_a_process_that_is_no_command_does_not_inherit_the_lock(host):
    with host.lock("create_array"):
        child = subprocess.Popen(["sleep", "5"], close_fds=False)
    try:
        with host.lock("create_sr"):
            pass
    finally:
        child.kill()
        child.wait()


def test_a_command_that_goes_on_holds_the_lock(tmpdir, host):
    """As mdadm does when its plugin is killed: nobody else may begin before it has ended."""
    host = Host(host.root, "/usr/bin:/bin")
    with host.lock("create_array"):
        pid = int(run(host, ["sh", "-c", "sleep 30 >/dev/null 2>&1 & echo $!"]).out)
    try:
        with pytest.raises(Busy), host.lock("create_sr"):
            pass
    finally:
        os.kill(pid, signal.SIGKILL)
    deadline = time.time() + 10
    while True:
        try:
            with host.lock("create_sr"):
                break
        except Busy:
            assert time.time() < deadline


def test_a_lock_is_kept_until_the_reply_is_out(host):
    with host.lock("create_array") as lock:
        lock.keep()
        host.when_replied(lock.release)
    with pytest.raises(Busy), host.lock("create_sr"):
        pass
    host.replied()
    with host.lock("create_sr"):
        pass


def test_pieces_of_a_file_from_its_head_and_its_end(host, tmpdir):
    tmpdir.join("disk").write("head....tail")
    assert host.read_pieces("/disk", [(0, 4), (-4, 4), (8, 9)]) == [
        (0, b"head"),
        (8, b"tail"),
        (8, b"tail"),
    ]
    assert host.read_pieces("/disk", [(99, 4), (-99, 4)]) == [(99, b""), (0, b"head")], (
        "an extended partition has 1 KiB"
    )


def test_run_gives_a_fixed_environment_and_no_shell(host, mocker):
    mocker.patch.dict(os.environ, {"LANG": "de_DE.UTF-8", "SECRET": "x"})
    out = run(host, ["env"], environment={"EXTRA": "1"}).out
    assert sorted(line.split("=")[0] for line in out.splitlines()) == [
        "EXTRA",
        "LC_ALL",
        "LVM_SUPPRESS_FD_WARNINGS",
        "PATH",
    ]
    assert run(host, ["echo", "$HOME; `id`", "a  b"]).out == "$HOME; `id` a  b\n"
    assert run(host, ["cat"], stdin="given").out == "given"


def test_run_says_what_failed(host):
    with pytest.raises(CommandFailed) as caught:
        run(host, ["ls", "/no/such file"])
    assert caught.value.parameters[:2] == ["ls '/no/such file'", "2"]
    assert "No such file" in caught.value.parameters[2]
    with pytest.raises(CommandFailed) as caught:
        run(host, ["no-such-tool"])
    assert "no-such-tool" in caught.value.sentence
    assert "yum" in caught.value.sentence
    assert run(host, ["false"], accept=None).status == 1


def running():
    """The command lines of all processes."""
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as cmdline:
                yield cmdline.read().replace(b"\0", b" ").strip()
        except EnvironmentError:  # it has just ended
            pass


def test_a_hanging_command_is_ended_with_what_it_started(host):
    sleep = "sleep 61.%d" % os.getpid()
    with pytest.raises(Timeout):
        run(Host("/", "/usr/bin:/bin"), ["sh", "-c", "%s & %s" % (sleep, sleep)], timeout_s=0.5)
    deadline = time.time() + 10  # a killed process needs a moment to be gone
    while sleep.encode() in running():
        assert time.time() < deadline
        time.sleep(0.05)


def test_a_daemon_left_behind_does_not_hold_the_call_up(host):
    started = time.time()
    assert run(Host("/", "/usr/bin:/bin"), ["sh", "-c", "sleep 20 & echo done"]).out == "done\n"
    assert time.time() - started < 18


@pytest.mark.parametrize(
    "text,words",
    [
        (
            "[mail]\nsmtp_timeout_s = soon\n",
            ["/etc/xsraid.conf", "[mail]", "smtp_timeout_s", "soon", "whole number"],
        ),
        ("[mdadm]\ntimeout_s = 0\n", ["timeout_s", "'0'"]),
        ("[check]\nhours = 1-25\n", ["[check]", "hours", "1-25", "such as 1-6"]),
        ("[check]\nhours = 3-3\n", ["hours", "3-3"]),
        ("[check]\nspeed_max_mib_s = 0\n", ["speed_max_mib_s", "MiB/s"]),
        ("[log]\nlevel = loud\n", ["[log]", "level", "debug, info, warning"]),
        ("[mial]\nsmtp_timeout_s = 3\n", ["[mial]", "smtp_timeout_s", "unknown"]),
        ("[log]\nlvel = info\n", ["lvel", "unknown"]),
        ("level = info\n", ["/etc/xsraid.conf", "section"]),
    ],
)
def test_a_bad_setting_is_named(host, tmpdir, text, words):
    tmpdir.join("etc/xsraid.conf").write(text)
    with pytest.raises(NotConfigured) as caught:
        config.load(host)
    assert [word for word in words if word not in caught.value.sentence] == []


def test_settings_have_defaults_and_the_shipped_file_says_them(host, tmpdir):
    defaults = config.load(host)
    assert defaults == DEFAULTS
    with open(os.path.join(os.path.dirname(__file__), "../../rpm/etc/xsraid.conf")) as shipped:
        tmpdir.join("etc/xsraid.conf").write(shipped.read())
    assert config.load(host) == defaults
    tmpdir.join("etc/xsraid.conf").write("[mail]\nsmtp_timeout_s = 5\n[log]\nlevel = debug\n")
    assert config.load(host) == DEFAULTS._replace(smtp_timeout_s=5, log_level="debug")


def test_a_slip_in_the_settings_is_told_but_does_not_stop_a_boot(host, tmpdir):
    tmpdir.join("etc/xsraid.conf").write("[boot]\nwait_s = soon\n")
    with pytest.raises(NotConfigured):
        config.load(host)
    assert config.load_or_default(host) == DEFAULTS
