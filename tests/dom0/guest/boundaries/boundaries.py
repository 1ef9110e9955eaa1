"""Counts the steps by which the plugin changes the machine, and kills it at one of them. Beside
boundaries.pth in dom0's site-packages.

It does nothing but in the plugin's own process, and only while the folder FOLDER is there. Each
step is a line of FOLDER/log: JSON with its number, kind, what, and the ways to die there.
FOLDER/death may hold "NUMBER WAY":

    before   instead of the step
    begun    a file has been opened, but nothing is written; a request has been sent, and XAPI goes
             on; a command has been started, and comes to its work with the next call's first step,
             or after LATE_S where that waits for it to end

What only reads is no step; a command or request that is not known to read is one. Nor is what
happens to a temporary file, to the lock, which ends
with its process, or to a file that is written aside: putting that in its place is one. Nor is
taking away what is not there.
"""

import functools
import io
import json
import os
import re
import signal
import subprocess

import XenAPI
import XenAPIPlugin

try:
    import __builtin__ as builtins
    import httplib
except ImportError:
    import builtins
    import http.client as httplib

FOLDER = "/run/boundaries"
NEXT = FOLDER + "/next"  # a fifo: a line in it wakes the command that waits for the next call
PLUGIN = b"/etc/xapi.d/plugins/xsraid"
LATE_S = 0.5
# Where nothing that happens is a step.
PASSED_OVER = r"/tmp(/|$)|/run/tmp[^/]*$|/dev/(null|tty|log)$|/run/lock/|.*\.xsraid-new$|" + FOLDER
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGING = (
    "rename",
    "replace",
    "unlink",
    "remove",
    "mkdir",
    "rmdir",
    "symlink",
    "link",
    "chmod",
    "chown",
    "lchown",
    "truncate",
    "mknod",
    "utime",
)
REMOVING = ("unlink", "remove", "rmdir")
# Command lines that only read, by their tool. Of mdadm, a report on what is there; of udevadm,
# waiting.
READING = {
    "blkid": "",
    "findmnt": "",
    "lsblk": "",
    "lvs": "",
    "pvs": "",
    "vgs": "",
    "blockdev": "--(get|report)",
    "dmsetup": "deps|info|ls|status|table",
    "mdadm": "-[DEV]|--(detail|examine|version)",
    "systemctl": r"(--\S+ )*(is-|show|status|cat)",
    "udevadm": "info|settle",
    "wipefs": r"(.* )?-(n|-no-act)\b",
}
READING_REQUEST = r"(\w+\.)*(get_|login|logout|slave_local)"
QUICK_REQUEST = r".*(other_config$|\.set_)"  # xapi has done it before anybody could come in between


class Steps(object):
    """The steps of this process. log: descriptor; death: (number, way), or None."""

    def __init__(self):
        self.count = 0
        self.log = os.open(FOLDER + "/log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self.death = None
        if os.path.exists(FOLDER + "/death"):
            with open(FOLDER + "/death") as death_file:
                number, way = death_file.read().split()
            self.death = int(number), way

    def reach(self, kind, what, ways=("before",)):
        """Note a step that is about to be taken; return the way to die during it, None for none."""
        self.count += 1
        if self.count == 1:
            wake()
        os.write(
            self.log,
            (
                json.dumps({"number": self.count, "kind": kind, "what": what, "ways": ways}) + "\n"
            ).encode("utf-8"),
        )
        if self.death is None or self.death[0] != self.count:
            return None
        if self.death[1] == "before":
            die()
        return self.death[1]


def wake():
    """Let the command that a dead call has left come to its work, if there is one."""
    try:
        fifo = os.open(NEXT, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    os.write(fifo, b"\n")
    os.close(fifo)


def die(*_arguments, **_options):
    """End this process at once; what it has started goes on."""
    os.kill(os.getpid(), signal.SIGKILL)


def counts(path):
    """Return whether it matters what happens at a path; for a descriptor it mattered when that was
    opened.
    """
    return not isinstance(path, int) and not re.match(
        PASSED_OVER, os.path.abspath(os.fsdecode(path) if hasattr(os, "fsdecode") else path)
    )


def reads(argv):
    """Return whether a command only reads."""
    reading = READING.get(os.path.basename(argv[0]))
    return reading is not None and re.match(reading, " ".join(argv[1:])) is not None


def wrap_change(steps, name):
    """Count one of os's functions that change something at a path."""
    change = getattr(os, name)

    @functools.wraps(change)
    def counted(*arguments, **options):
        paths = [word for word in arguments[:2] if not isinstance(word, (int, float))]
        if counts(paths[-1]) and (name not in REMOVING or os.path.lexists(paths[-1])):
            steps.reach(name, " ".join(str(path) for path in paths))
        return change(*arguments, **options)

    setattr(os, name, counted)


def wrap_open(steps, module, writes):
    """Count a module's function open. writes: tells from what it is given after the path whether it
    may change the file.
    """
    plain_open = module.open

    @functools.wraps(plain_open)
    def counted(path, *more, **options):
        way = None
        if writes(*more, **options) and counts(path):
            way = steps.reach("open", str(path), ("begun",))
        opened = plain_open(path, *more, **options)
        if way:
            die()
        return opened

    module.open = counted


def wrap_commands(steps):
    """Count what is started by way of subprocess."""

    class Popen(subprocess.Popen):
        def __init__(self, args, *more, **options):
            way = (
                None if reads(args) else steps.reach("command", " ".join(args), ("before", "begun"))
            )
            if way:
                args = [
                    "/bin/bash",
                    "-c",
                    'read -r -t %s <>%s; exec "$@"' % (LATE_S, NEXT),
                    "bash",
                ] + list(args)
            super(Popen, self).__init__(args, *more, **options)
            if way:
                with open(FOLDER + "/orphan", "w") as orphan:
                    orphan.write(str(self.pid))
                die()

    subprocess.Popen = Popen


def wrap_requests(steps):
    """Count what XAPI is asked to change, and the reply to it."""
    request, success_message = XenAPI.Session.xenapi_request, XenAPIPlugin.success_message

    def counted(session, method, params):
        if not re.match(READING_REQUEST, method):
            is_quick = re.match(QUICK_REQUEST, method)
            what = method + (
                " " + params[1]
                if method.endswith(("_to_other_config", "_from_other_config"))
                else ""
            )
            if steps.reach("request", what, ("before",) if is_quick else ("before", "begun")):
                httplib.HTTPConnection.getresponse = die
        return request(session, method, params)

    def counted_message(result):
        steps.reach("reply", "")
        return success_message(result)

    XenAPI.Session.xenapi_request, XenAPIPlugin.success_message = counted, counted_message


def main():
    steps = Steps()
    wrap_open(steps, os, lambda flags, *_, **__: flags & WRITING)
    for module in (builtins, io):
        wrap_open(steps, module, lambda mode="r", *_, **__: re.search("[wax+]", mode))
    for name in CHANGING:
        if hasattr(os, name):
            wrap_change(steps, name)
    wrap_commands(steps)
    wrap_requests(steps)


with io.open("/proc/self/cmdline", "rb") as cmdline:
    IS_PLUGIN = PLUGIN in cmdline.read().split(b"\0")
if IS_PLUGIN:
    main()
