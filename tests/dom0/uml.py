"""Starts, drives and cuts the power of a User-Mode Linux guest on a root made by make-root. What a
dom0 is made of stands in dom0.py.
"""

import base64
import itertools
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from typing import NamedTuple, Union

HERE = os.path.dirname(os.path.abspath(__file__))
XSTATE = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build/xstate.so")
# Of make-root: each as the words of `jail` that start it. seccomp=auto: ptrace where the machine
# has none.
KERNELS = {
    "old": ("", XSTATE, "{root}/usr/bin/linux.uml"),
    "young": (
        "{root}/usr/lib/uml/young",
        XSTATE,
        "{root}/usr/lib/uml/young/linux.uml",
        "seccomp=auto",
    ),
}
_numbers = itertools.count(1)
# How long whatever is expected of a guest is waited for: ten times what it takes on a slow day.
# Upper bounds on speed are the bench's.
PATIENCE_S = 300


class GuestDied(Exception):
    """The guest ended, or never came up, while something was expected of it."""


class CommandFailed(Exception):
    """A command in the guest ended with another status than 0."""

    def __init__(self, argv, completed):
        super().__init__(f"{argv!r} ended with {completed.status}\n{completed.out}{completed.err}")
        self.completed = completed


class Completed(NamedTuple):
    """What became of a command: its exit status (or "timeout", or "error" if it could not be
    started) and what it wrote.
    """

    status: Union[int, str]
    out: str
    err: str


class Guest:
    """One start of a guest, from power on to power off.

    root: of make-root; kernel: one of KERNELS; work: the only folder of the host that it may write,
    with work/share and the boot disk work/boot.img in it; cpu: the processor it is pinned to (three
    times as fast as without); settings: words for guest/init; keep_fds: open files that it
    inherits.
    The guest ends with the thread that made it: make it in the main thread.
    """

    def __init__(self, root, kernel, work, cpu, settings, memory="768M", keep_fds=()):
        self._share = work + "/share"
        shutil.rmtree(self._share + "/ctl", ignore_errors=True)
        os.makedirs(self._share + "/ctl")
        os.makedirs(work + "/umid", exist_ok=True)
        self._line, guest_end = socket.socketpair()
        self._waiting, self._ids, self._lock = {}, itertools.count(1), threading.Lock()
        self._ready = self._expect(0)
        self._started_s = time.monotonic()
        with open(work + "/console.log", "ab") as console:
            self.process = subprocess.Popen(
                _command(root, kernel, work, cpu, settings, memory, guest_end.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=[guest_end.fileno(), *keep_fds],
                start_new_session=True,
            )
        guest_end.close()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def wait_until_up(self, timeout_s=PATIENCE_S):
        """Return the seconds from power on until the guest takes commands; raises GuestDied."""
        if not self._ready[0].wait(timeout_s) or not self._ready[1]:
            self.cut_power()
            raise GuestDied("the guest did not come up, its console says why")
        return time.monotonic() - self._started_s

    def run(self, argv, timeout_s=PATIENCE_S, stdin="", check=True, **more):
        """Run argv (a string: bash) in the guest and return Completed.

        stdin: text; more: env, cwd. Raises CommandFailed with check and a status other than 0,
        GuestDied if the guest ends meanwhile.
        """
        request = {
            "argv": ["/bin/bash", "-c", argv] if isinstance(argv, str) else list(argv),
            "stdin": base64.b64encode(stdin.encode()).decode(),
        }
        return self._request(argv, {**request, **more}, timeout_s, check)

    def ask(self, what, given, timeout_s=PATIENCE_S):
        """Return what the agent itself answers, parsed: what is one of its ASKED, given a value for
        it. Raises as run does.
        """
        return json.loads(
            self._request(f"ask {what}", {"ask": what, "given": given}, timeout_s, check=True).out
        )

    def _request(self, argv, request, timeout_s, check):
        number = next(self._ids)
        entry = self._expect(number)
        request["timeout_s"] = timeout_s
        with open(f"{self._share}/ctl/{number}.req", "w", encoding="ascii") as request_file:
            json.dump(request, request_file)
        try:
            with self._lock:
                self._line.sendall(b"%d\n" % number)
        except OSError as error:
            raise GuestDied(argv) from error
        if not entry[0].wait(timeout_s + 10) or entry[1] is None:
            raise GuestDied(argv)
        completed = Completed(entry[1]["status"], _text(entry[1]["out"]), _text(entry[1]["err"]))
        if check and completed.status != 0:
            raise CommandFailed(argv, completed)
        return completed

    def cut_power(self):
        """Kill the guest between two instructions. The signal goes to unshare, which takes the
        whole pid namespace with it (see jail).

        Each process of the guest holds its end of the serial line: when that is closed, the last of
        them has ended and writes no more.
        """
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)
        self._line.close()

    def shut_down(self, command="systemctl poweroff", timeout_s=PATIENCE_S):
        """Let the guest power off by command; cut the power if it does not."""
        try:
            self.run(f"sleep 0.2; {command}", timeout_s=timeout_s, check=False)
        except GuestDied:
            pass
        try:
            self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            pass
        self.cut_power()

    def _expect(self, number):
        entry = self._waiting[number] = [threading.Event(), None]
        return entry

    def _read(self):
        """Hand each answer to the one who waits for it; at the end of the line everyone who still
        waits learns that there is none.
        """
        try:
            for line in self._line.makefile("rb"):
                try:
                    answer = json.loads(line)
                except ValueError:
                    continue  # the terminal's echo, from before the agent made the line raw
                entry = self._waiting.pop(answer["id"], None)
                if entry:
                    entry[1] = answer
                    entry[0].set()
        except OSError:
            pass
        for entry in list(self._waiting.values()):
            entry[0].set()


def _command(root, kernel, work, cpu, settings, memory, line_fd):
    """Return the argument list that starts a guest; its serial line is the open file line_fd."""
    # Unique: a dead guest's id counts as in use for a while.
    umid = f"dom0-{os.getpid()}-{next(_numbers)}"
    return [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "--propagation",
        "private",
        "taskset",
        "-c",
        str(cpu),
        HERE + "/jail",
        work,
        *(word.format(root=root) for word in KERNELS[kernel]),
        "mem=" + memory,
        "rootfstype=hostfs",
        "rootflags=" + root,
        "ro",
        "init=/init",
        "ubda=" + work + "/boot.img",
        *(f"{name}={value}" for name, value in settings.items()),
        "con=null",
        "con0=null,fd:1",
        "ssl=null",
        f"ssl0=fd:{line_fd}",
        "quiet",
        "noreboot",
        "pty.legacy_count=0",
        "selinux=0",
        "apparmor=0",
        f"uml_dir={work}/umid",
        "umid=" + umid,
    ]


def _text(encoded):
    return base64.b64decode(encoded).decode(errors="replace")
