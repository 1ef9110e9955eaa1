#!/usr/bin/env python3
"""What calls cost against doing the same by hand, measured in the miniature dom0: a Markdown table
on stdout and in build/bench.md.

    make bench

The plugin is run as xapi runs it: one argument, forkexecd's environment, a session that is open
already. Who is compared runs in turn, A B A B …, in one boot; the first turn is thrown away; a
ratio is the median of the ratios turn by turn. The clock runs in the guest, where this file is
started once more as the stopwatch.
"""

import argparse
import gc
import json
import os
import shlex
import statistics
import sys
import time
import xmlrpc.client
from typing import NamedTuple

from tests.dom0 import interpreters
from tests.dom0.dom0 import BUILD, SMTP_HOST, SMTP_PASSWORD, SMTP_USER, Dom0

STOPWATCH = ["/usr/bin/python3.11", "/bed/dom0/bench.py", "--stopwatch"]
PLUGIN_ENVIRONMENT = {"PATH": "/sbin:/usr/sbin:/bin:/usr/bin"}  # all that forkexecd gives a plugin
PLUGIN, BARE, NOTHING = "/etc/xapi.d/plugins/xsraid", "/opt/bench/bare", "/opt/bench/nothing"
IMPORT, DO_NOTHING = "`import XenAPIPlugin`", "a plugin that does nothing"
SCRIPTS = {
    BARE: "import XenAPIPlugin\n",
    NOTHING: "import XenAPIPlugin\n\nif __name__ == '__main__':\n    "
    "XenAPIPlugin.dispatch({'nothing': lambda session, args: ''})\n",
}
LOGIN = (
    "import XenAPI; s = XenAPI.xapi_local(); s.xenapi.login_with_password('root', '', '1.0', "
    "'bench'); print(s._session)"
)
# A process in a pid namespace of its own: the number that the next one gets there tells how many
# there have been.
COUNT_PROCESSES = [
    "unshare",
    "--pid",
    "--fork",
    "sh",
    "-c",
    "\"$@\" >/dev/null; sh -c 'echo $$'; :",
    "sh",
]
TURNS_BY_ARRAY_COUNT = {1: 16, 8: 5, 24: 4}  # few where `mdadm --detail` for each takes seconds
TURNS_BY_DISK_COUNT = {8: 6, 64: 4, 200: 3}
OLD_DISK_COUNT, DISK_MIB = 2, 16
VERSION_TURNS, CREATE_TURNS, ALERT_TURNS, BROKEN_TURNS = 12, 5, 20, 10
LOOP_MIB, FAULTS = 8, 20
HOOK, HOOK_TURNS = "/usr/libexec/xsraid/event-hook", 20
MILESTONES = {
    "spool": "`--set-faulty` to the event in the spool",
    "message": "`--set-faulty` to the message in XAPI",
    "mail": "`--set-faulty` to mail accepted",
}
WATCHER, END_WATCHER = "spool-watcher", "pkill -f [s]pool-watcher"
WATCH_SPOOL = f"""/usr/bin/python3.11 -c '
import os, time
while not any(name.endswith(".event") for name in os.listdir("/var/lib/xsraid/spool")): time.sleep(0.005)
print(time.time())' {WATCHER}"""  # noqa: E501
# An array that fails again and again would soon alarm no more.
FORGET = "systemctl stop xsraid-deliver.timer xsraid-deliver.service; rm -f /var/lib/xsraid/spool/*"
ALL_POSTED = (
    "journalctl --no-pager -o short-unix -u xapi.service | grep 'dispatch: message.create' | cut "
    "-d' ' -f1"
)
POSTED = ALL_POSTED + " | tail -n 1"
MONITOR_LOOKS_S = 3  # a monitor that has just been started sees a fault only after its first look
COLUMNS = (
    "Python",
    "what",
    "ms",
    "against",
    "ms",
    "ratio",
    "min–max",
    "difference, ms",
    "turns",
    "limit",
)


class Row(NamedTuple):
    """One comparison: milliseconds of what and against, turn by turn; limit: what the design
    allows.
    """

    what: str
    whats: list
    against: str = ""
    againsts: list = ()
    limit: str = ""

    def cells(self):
        pairs = list(zip(self.whats, self.againsts))
        ratios = [one / other for one, other in pairs]
        differences = [one - other for one, other in pairs]
        spread = f"{min(ratios):.2f}–{max(ratios):.2f}" if len(pairs) > 1 else ""
        return [
            self.what,
            _middle(self.whats, ".1f"),
            self.against,
            _middle(self.againsts, ".1f"),
            _middle(ratios, ".2f"),
            spread,
            _middle(differences, "+.1f"),
            str(len(pairs) or ""),
            self.limit,
        ]


def _middle(values, shape):
    return format(statistics.median(values), shape) if values else ""


# in the guest


def stopwatch(race):
    """Return {contestant: [[milliseconds of each step] of each turn]}; race: turns, contestants
    {name: [argv]}, afterwards {name: command line}.
    """
    times = {name: [] for name in race["contestants"]}
    gc.disable()
    for turn in range(race["turns"] + 1):
        for name, steps in race["contestants"].items():
            taken = [timed_ms(argv) for argv in steps]
            if name in race["afterwards"]:
                timed_ms(["sh", "-c", race["afterwards"][name]])
            if turn > 0:
                times[name].append(taken)
    return times


def timed_ms(argv):
    """Return how long a command took from its start until it was reaped; a plugin must have replied
    with success.
    """
    read_end, write_end = os.pipe()
    actions = [
        (os.POSIX_SPAWN_DUP2, write_end, 1),
        (os.POSIX_SPAWN_OPEN, 2, "/dev/null", os.O_WRONLY, 0),
    ]
    started = time.perf_counter()
    process = os.posix_spawnp(argv[0], argv, PLUGIN_ENVIRONMENT, file_actions=actions)
    os.close(write_end)
    with open(read_end, "rb") as pipe:
        out = pipe.read()
    status = os.waitpid(process, 0)[1]
    taken_s = time.perf_counter() - started
    if (
        status != 0
        or argv[0] in (PLUGIN, NOTHING)
        and b"<value><string>Success</string></value>" not in out
    ):
        raise RuntimeError(f"{argv} ended with {status}: {out}")
    return taken_s * 1000


# on the host


class Bench:
    """The measurements on one dom0; rows grow as they are made."""

    def __init__(self, dom0):
        self.dom0, self.rows = dom0, []
        self._disks = sorted(disk.device for disk in dom0.disks().values())

    def run(self):
        self.prepare()
        self.version()
        self.create_array()
        self.list_arrays()
        self.alerts()
        self.list_disks()
        return self.rows

    def prepare(self):
        """Lay down the scripts to compare with, log in, and keep mdadm's monitor out of what
        follows.
        """
        shebang = self.dom0.run(["head", "-n", "1", PLUGIN]).out
        for path, text in SCRIPTS.items():
            self.dom0.run(
                f"mkdir -p {os.path.dirname(path)} && cat >{path} && chmod 755 {path}",
                stdin=shebang + text,
            )
        self._session = self.dom0.run(["/usr/bin/python3.11", "-c", LOGIN]).out.strip()
        self.dom0.run("systemctl mask --runtime --now mdmonitor.service")

    def call(self, function, program=PLUGIN, **arguments):
        """Return the argument list of a plugin's call."""
        return [program, xmlrpc.client.dumps((self._session, arguments), function)]

    def race(self, turns, contestants, afterwards=()):
        """Return the stopwatch's times of {name: [argv]}."""
        race = {"turns": turns, "contestants": contestants, "afterwards": dict(afterwards)}
        return json.loads(self.dom0.run(STOPWATCH, stdin=json.dumps(race), timeout_s=300).out)

    def race_calls(self, turns, contestants):
        """Return the times of contestants, of the bare interpreter and of a plugin that does
        nothing, each summed over its steps.
        """
        common = {IMPORT: [[BARE]], DO_NOTHING: [self.call("nothing", NOTHING)]}
        raced = self.race(turns, contestants | common)
        return {name: list(map(sum, taken)) for name, taken in raced.items()}

    def version(self):
        name = "`version`"
        times = self.race_calls(VERSION_TURNS, {name: [self.call("version")]})
        self.rows.append(Row(DO_NOTHING, times[DO_NOTHING], IMPORT, times[IMPORT]))
        self.rows += [Row(name, times[name], other, times[other]) for other in (IMPORT, DO_NOTHING)]

    def list_arrays(self):
        middles, made = [], 0
        for count, turns in TURNS_BY_ARRAY_COUNT.items():
            self.make_arrays(range(made, count))
            made = count
            name, by_hand = f"`list_arrays` of {count}", f"`mdadm --detail` for each of {count}"
            details = [["mdadm", "--detail", f"/dev/md{number}"] for number in range(count)]
            times = self.race_calls(turns, {name: [self.call("list_arrays")], by_hand: details})
            for other, limit in (
                (IMPORT, "≤ 1.15" if count == 1 else ""),
                (DO_NOTHING, ""),
                (by_hand, ""),
            ):
                self.rows.append(Row(name, times[name], other, times[other], limit))
            # Counted in bare imports of the same turns: the machine may have been slower meanwhile.
            middles.append(
                (
                    f"{name}, counted in imports",
                    statistics.median(one / bare for one, bare in zip(times[name], times[IMPORT])),
                )
            )
        (few, few_imports), (many, many_imports) = middles[0], middles[-1]
        import_ms = statistics.median(times[IMPORT])
        self.rows.append(
            Row(many, [many_imports * import_ms], few, [few_imports * import_ms], "< 1.2")
        )
        self.rows.append(
            Row(
                "processes it starts (no ms)",
                [self.count_processes(self.call("list_arrays"))],
                limit="0",
            )
        )
        self.dom0.run(
            "mdadm --stop --scan && losetup -D && rm -r /tmp/loops && rm /etc/mdadm.conf && "
            "udevadm settle"
        )

    def count_processes(self, argv):
        """Return how many processes a command starts beyond itself."""
        # The shell, the command, the one that tells.
        return int(self.dom0.run(COUNT_PROCESSES + argv, env=PLUGIN_ENVIRONMENT).out) - 3

    def make_arrays(self, numbers):
        """Make small RAID1s on loop devices in memory, and their lines in mdadm.conf."""
        lines = ["mkdir -p /tmp/loops", "modprobe loop"]
        for number in numbers:
            for leg in "ab":
                lines.append(
                    f"truncate -s {LOOP_MIB}M /tmp/loops/{number}{leg}; {leg}=$(losetup --find "
                    f"--show /tmp/loops/{number}{leg})"
                )
            lines.append(
                f"mdadm --create /dev/md{number} --run --metadata=1.2 --level=1 --raid-devices=2 "
                "--bitmap=none --assume-clean "
                f"--name=md{number} --homehost=any $a $b"
            )
        self.dom0.run(
            "set -e\n"
            + "\n".join(lines)
            + "\nmdadm --detail --scan >/etc/mdadm.conf\nudevadm settle",
            timeout_s=120,
        )

    def create_array(self):
        """Level 10 on four disks, and the very command that the plugin names by hand; undone after
        each.
        """
        wish = {"level": "10", "devices": ",".join(self._disks[:4])}
        by_hand = next(
            line
            for line in self.dom0.call("create_array", dry_run=True, **wish)["commands"]
            if line.startswith("mdadm --create")
        )
        undo = (
            "mdadm --stop /dev/md0 && mdadm --zero-superblock "
            f"{' '.join(self._disks[:4])} && rm "
            "-f /etc/mdadm.conf && udevadm settle"
        )
        contestants = {
            "plugin": [self.call("create_array", **wish)],
            "hand": [shlex.split(by_hand), ["udevadm", "settle"]],
        }
        times = self.race(CREATE_TURNS, contestants, dict.fromkeys(contestants, undo))
        plugin = [taken[0] for taken in times["plugin"]]
        self.rows.append(
            Row(
                "`create_array`, level 10",
                plugin,
                "`mdadm --create`",
                [taken[0] for taken in times["hand"]],
                "difference < 500",
            )
        )
        self.rows.append(
            Row(
                "`create_array`, level 10",
                plugin,
                "`mdadm --create` and `udevadm settle`",
                [sum(taken) for taken in times["hand"]],
            )
        )

    def alerts(self):
        """From a fault to the spool, to XAPI and to the mail in the server's hands, as
        configure_alerts leaves it and with mdadm's own mail.
        """
        self.dom0.run("systemctl unmask --runtime mdmonitor.service")
        self.dom0.call("create_array", level=1, devices=self._disks[:2])
        secret = self.dom0.run(["xe", "secret-create", "value=" + SMTP_PASSWORD]).out.strip()
        self.dom0.call(
            "configure_alerts",
            mail_to="admin@example.com",
            mail_from=SMTP_USER,
            smtp_host=SMTP_HOST,
            smtp_user=SMTP_USER,
            smtp_password_secret=secret,
        )
        service = (
            f"{FORGET}; systemctl restart mdmonitor.service",
            "systemctl stop mdmonitor.service",
        )
        by_hand = (
            "grep ^MAIL /etc/mdadm.conf >/run/plain.conf; mdadm --monitor --daemonise "
            "--pid-file=/run/plain.pid --config=/run/plain.conf /dev/md0 "
            "</dev/null >/dev/null 2>&1",
            "kill $(cat /run/plain.pid)",
        )
        times = [
            (self.from_fault_ms(*service), self.from_fault_ms(*by_hand))
            for _ in range(1 + ALERT_TURNS)
        ][1:]
        ours = [one for one, _ in times]
        plain = [other["mail"] for _, other in times]
        for milestone, limit in (("mail", 2200), ("message", 1000), ("spool", 400)):
            self.rows.append(
                Row(
                    MILESTONES[milestone],
                    [one[milestone] for one in ours],
                    "to the mail, with mdadm's own",
                    plain,
                    f"≤ {limit} ms",
                )
            )
        self.beside_a_broken_channel(service)
        self.faults_in_a_row(*service)
        self.hook()
        resident_kib = self.dom0.run(
            "ps -eo rss=,args= | awk '/[x]sraid/ && !/mdadm --monitor/ { kib += $1 } END { print "
            "kib + 0 }'"
        )
        self.rows.append(
            Row(
                "resident memory of all that xsraid adds while nothing happens, KiB (no ms)",
                [int(resident_kib.out)],
                limit="0",
            )
        )

    def beside_a_broken_channel(self, service):
        """The same to one channel while the other is mute: the mail server takes the connection and
        says nothing, xapi is stopped.
        """
        self.dom0.smtp("stall")
        messages = [
            self.from_fault_ms(*service, awaited="message")["message"]
            for _ in range(1 + BROKEN_TURNS)
        ][1:]
        self.dom0.smtp("accept")
        start = (
            service[0] + "; systemctl kill --signal=STOP xapi.service",
            service[1] + "; systemctl kill --signal=CONT xapi.service",
        )
        mails = [self.from_fault_ms(*start)["mail"] for _ in range(1 + BROKEN_TURNS)][1:]
        for milestone, taken, limit, how in (
            ("message", messages, 1000, "the mail server mute"),
            ("mail", mails, 2200, "xapi mute"),
        ):
            self.rows.append(
                Row(
                    f"{MILESTONES[milestone]}, {how}; at worst {max(taken):.0f} ms",
                    taken,
                    limit=f"≤ {limit} ms",
                )
            )

    def faults_in_a_row(self, start, stop):
        """FAULTS arrays lose a disk, one a second; a message is told by its place, as they are made
        in the order of the faults.
        """
        dom0, numbers = self.dom0, range(1, 1 + FAULTS)
        dom0.run("cp -p /etc/mdadm.conf /run/kept.conf")
        self.make_arrays(numbers)
        dom0.run(f"cat /run/kept.conf >>/etc/mdadm.conf; {start} && sleep {MONITOR_LOOKS_S}")
        each = [
            f"echo $EPOCHREALTIME; mdadm -q --manage /dev/md{number} --set-faulty "
            f"/dev/$(ls /sys/block/md{number}/slaves | head -n 1); sleep 1\n"
            for number in numbers
        ]
        failed = list(map(float, dom0.run("".join(each), timeout_s=200).out.split()))
        mails = [
            dom0.wait_for_mail(
                lambda mail, node=f"failed, /dev/md{number} ": node in mail.headers["Subject"]
            ).arrived
            for number in numbers
        ]
        posted = [float(at) for at in dom0.run(ALL_POSTED).out.split() if float(at) > failed[0]]
        for milestone, arrived, limit in (("message", posted, 1000), ("mail", mails, 2200)):
            taken = [(at - began) * 1000 for began, at in zip(failed, arrived, strict=True)]
            what = (
                f"{MILESTONES[milestone]}, {FAULTS} faults, one a second; at worst "
                f"{max(taken):.0f} ms"
            )
            self.rows.append(Row(what, taken, limit=f"≤ {limit} ms"))
        nodes = " ".join(f"/dev/md{number}" for number in numbers)
        dom0.run(
            f"{stop}; mdadm --stop {nodes} && losetup -D && rm -r /tmp/loops && mv /run/kept.conf "
            "/etc/mdadm.conf && udevadm settle"
        )

    def hook(self):
        """What mdadm waits for, on an event that no alert comes of, against a start of the
        interpreter.
        """
        shebang = self.dom0.run(["head", "-n", "1", HOOK]).out[2:].split()
        bare, name = [shebang[0], "-c", "pass"], "the hook, until mdadm goes on"
        times = self.race(
            HOOK_TURNS, {name: [[HOOK, "RebuildStarted", "/dev/md9"]], "bare": [bare]}
        )
        hooks, bares = [list(map(sum, times[contestant])) for contestant in (name, "bare")]
        self.rows.append(Row(name, hooks, "a start of the interpreter", bares, "≤ 1.5"))
        self.dom0.wait_until(
            lambda: (
                self.dom0.run("systemctl is-active xsraid-deliver.timer", check=False).out
                == "inactive\n"
            ),
            timeout_s=60,
        )

    def from_fault_ms(self, start, stop, awaited="mail"):
        """Return {milestone: ms} from the fault, by the guest's clock: to the spool and XAPI (as
        far as they hear of it), and to the mail.

        awaited: the milestone that ends it.
        """
        dom0, failing = self.dom0, self._disks[1]
        dom0.wait_until(
            lambda: (
                dom0.run("cat /sys/block/md0/md/degraded /sys/block/md0/md/sync_action").out
                == "0\nidle\n"
            )
        )
        dom0.run(
            f"{start} && sleep {MONITOR_LOOKS_S}; rm -f /run/spooled; {WATCH_SPOOL} </dev/null "
            ">/run/spooled 2>/dev/null & sleep 0.2"
        )
        failed = float(
            dom0.run(f"echo $EPOCHREALTIME; mdadm --manage /dev/md0 --set-faulty {failing}").out
        )
        mails = []
        if awaited == "mail":
            mails.append(
                dom0.wait_for_mail(
                    lambda mail: mail.arrived > failed and "fail" in mail.headers["Subject"].lower()
                ).arrived
            )
        else:
            dom0.wait_until(
                lambda: [
                    at for at in dom0.run(POSTED, check=False).out.split() if float(at) > failed
                ]
            )
        spooled, posted = [
            dom0.run(command, check=False).out.split() for command in ("cat /run/spooled", POSTED)
        ]
        dom0.run(
            f"{END_WATCHER}; mdadm --manage /dev/md0 --remove {failing} && mdadm --manage /dev/md0 "
            f"--add {failing} && {stop}",
            check=False,
        )
        times = {"spool": spooled, "message": posted[-1:], "mail": mails}
        return {milestone: (float(at[0]) - failed) * 1000 for milestone, at in times.items() if at}

    def list_disks(self):
        """The last one: the disks stay. An old file system is on a few, so that it has to look
        closer.
        """
        self.dom0.run(
            f"modprobe scsi_debug add_host=0 per_host_store=1 delay=0 dev_size_mb={DISK_MIB}"
        )
        self.add_disks(OLD_DISK_COUNT, "mkfs.ext4 -q -L old")
        made, figures, processes = len(self._disks) + OLD_DISK_COUNT, [], []
        for count, turns in TURNS_BY_DISK_COUNT.items():
            self.add_disks(count - made)
            made = count
            name = f"`list_disks` of {count}"
            times = self.race_calls(turns, {name: [self.call("list_disks")]})
            self.rows.append(Row(name, times[name], IMPORT, times[IMPORT]))
            figures.append(
                statistics.median(one / bare for one, bare in zip(times[name], times[IMPORT]))
            )
            processes.append(
                Row(
                    f"processes {name} starts (no ms)",
                    [self.count_processes(self.call("list_disks"))],
                    limit="as few as of 8",
                )
            )
        (few, *_, many), import_ms = TURNS_BY_DISK_COUNT, statistics.median(times[IMPORT])
        self.rows.append(
            Row(
                f"`list_disks`, each disk more between {few} and {many}",
                [(figures[-1] - figures[0]) * import_ms / (many - few)],
            )
        )
        self.rows += processes

    def add_disks(self, count, fill=":"):
        """Plug in disks in memory, with one content, which the command fill writes to the first.

        udev is shown the disks alone: the half dozen other things that come with each take it
        several times as long.
        """
        unseen = "for disk in /sys/block/sd*; do [ -e /run/udev/data/b$(<$disk/dev) ] ||"
        self.dom0.run(
            f"""set -e
            systemctl stop systemd-udevd-kernel.socket systemd-udevd-control.socket systemd-udevd.service
            wanted=$(($(ls -d /sys/block/sd* | wc -l) + {count}))
            cd /sys/bus/pseudo/drivers/scsi_debug; echo {count} >max_luns; echo 1 >add_host
            until [ $(ls -d /sys/block/sd* | wc -l) = $wanted ]; do sleep 0.1; done
            {unseen} {{ {fill} /dev/${{disk##*/}}; break; }}; done
            systemctl start systemd-udevd.service
            {unseen} echo add >$disk/uevent; done
            udevadm settle""",  # noqa: E501
            timeout_s=200,
        )


def table(rows):
    """Return Markdown; rows: lists of cells."""
    numbers = ("ms", "ratio", "min–max")
    rule = ["---:" if name in numbers or "difference" in name else "---" for name in COLUMNS]
    lines = [COLUMNS, rule, *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def measure(choice):
    """Return the cells of all rows with one Python."""
    print(f"measuring with Python {choice} ...", file=sys.stderr, flush=True)
    with Dom0(choice, disks=("d0", "d1", "d2", "d3"), name="bench") as dom0:
        python = dom0.call("version")["python"]
        return [[python, *row.cells()] for row in Bench(dom0).run()]


def pythons_there():
    """Return those of dom0's Pythons that this machine has, Debian's own if it has none."""
    there = []
    for choice in ("2.7", "3.6"):
        try:
            there.append(interpreters.find(choice).choice)
        except interpreters.NoInterpreter as error:
            print(f"left out: {error}", file=sys.stderr)
    return there or ["system"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--python",
        choices=("2.7", "3.6", "system"),
        help="dom0's python (default: 2.7 and 3.6, as far as they are there)",
    )
    parser.add_argument("--stopwatch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stopwatch:
        json.dump(stopwatch(json.load(sys.stdin)), sys.stdout)
        return
    choices = [options.python] if options.python else pythons_there()
    rows = [row for choice in choices for row in measure(choice)]
    text = (
        "Medians over the turns; load average of the machine at the end: "
        f"{os.getloadavg()[1]:.1f}.\n\n" + table(rows)
    )
    with open(BUILD + "/bench.md", "w", encoding="utf-8") as file:
        file.write(text)
    print(text, end="")


if __name__ == "__main__":
    main()
