"""The one way in which this program runs another: a fixed environment, no shell, a time limit, a
log line.

It stands apart from `files` because loading subprocess costs a tenth of a cheap call, and the calls
that only read run nothing.
"""

from __future__ import absolute_import

import collections
import errno
import fcntl
import os
import signal
import subprocess
import syslog
import tempfile
import time

from xsraid.errors import CommandFailed, Timeout
from xsraid.host import clock
from xsraid.text import command_line, native, to_bytes

Result = collections.namedtuple("Result", "status out err")
IN_MEMORY = "/run"  # a root that is full, or read-only, keeps no command from being run
OPEN_FILES_MAX = 256
# A process in an uninterruptible sleep cannot be killed: it is left behind rather than waited for.
KILL_GRACE_S = 2


def folder_in_memory():
    """Return the folder for files that last for a moment, None for that of `tempfile`."""
    return IN_MEMORY if os.access(IN_MEMORY, os.W_OK) else None


def run(host, argv, timeout_s=None, stdin="", accept=(0,), environment=None):
    """Run a command to its end and return Result(status, out, err), out and err as text.

    argv: list of words, the first a tool's name; stdin: text it may read; accept: exit statuses
    that are no failure, None for any;
    environment: variables beyond PATH and LC_ALL; timeout_s: None for host.command_limit_s. Raises
    CommandFailed (also when there is no such tool) and Timeout, after killing what the command
    started.
    """
    timeout_s = host.command_limit_s if timeout_s is None else timeout_s
    host.log("run: %s" % command_line(argv), syslog.LOG_DEBUG)
    folder = folder_in_memory()
    with tempfile.TemporaryFile(dir=folder) as given, tempfile.TemporaryFile(
        dir=folder
    ) as out, tempfile.TemporaryFile(dir=folder) as err:
        given.write(to_bytes(stdin))
        given.seek(0)
        process = _start(host, argv, given, out, err, environment)
        in_time = _wait(process, timeout_s)
        if not in_time:
            _kill(process)
            raise Timeout("`%s`" % command_line(argv), timeout_s)
        result = Result(process.returncode, _content(out), _content(err))
    if accept is not None and result.status not in accept:
        raise CommandFailed(command_line(argv), result.status, last_words(result))
    return result


def last_words(result):
    """Return the last lines that a command said, those on stderr if there are any."""
    return " ".join((result.err.strip() or result.out.strip()).splitlines()[-4:])


def find_tool(host, name):
    """Return the path of a tool, None when this machine has none."""
    for folder in host.tools_path.split(":"):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    return None


def _start(host, argv, given, out, err, environment):
    tool = find_tool(host, argv[0])
    if tool is None:
        raise CommandFailed(
            command_line(argv),
            "not started",
            "there is no %s in %s" % (argv[0], host.tools_path),
            "Install it with yum.",
        )
    variables = {"PATH": host.tools_path, "LC_ALL": "C", "LVM_SUPPRESS_FD_WARNINGS": "1"}
    variables.update(environment or {})
    try:
        return subprocess.Popen(
            [tool] + argv[1:],
            stdin=given,
            stdout=out,
            stderr=err,
            close_fds=False,
            cwd="/",
            env=variables,
            preexec_fn=lambda: _enter(host.lock_descriptor),
        )
    except EnvironmentError as error:
        raise CommandFailed(command_line(argv), "not started", os.strerror(error.errno))


def _enter(lock_descriptor):
    """Prepare the new process: a session of its own, and no open file beyond the standard ones but
    the lock.

    A command that goes on when its plugin is killed so holds the lock to its own end, and no other
    call comes between.
    """
    os.setsid()
    for descriptor in range(3, OPEN_FILES_MAX):
        try:
            fcntl.fcntl(
                descriptor, fcntl.F_SETFD, 0 if descriptor == lock_descriptor else fcntl.FD_CLOEXEC
            )
        except EnvironmentError:
            pass  # not open


def _wait(process, timeout_s):
    """Return whether the process ended within the limit. Waiting grows from 1 to 20 ms, since
    Python 2 has no wait with a limit.
    """
    deadline, pause_s = clock.monotonic_s() + timeout_s, 0.001
    while process.poll() is None:
        if clock.monotonic_s() > deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.02)
    return True


def _kill(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except EnvironmentError as error:
        if error.errno != errno.ESRCH:
            raise
    _wait(process, KILL_GRACE_S)


def _content(captured):
    captured.seek(0)
    return native(captured.read())
