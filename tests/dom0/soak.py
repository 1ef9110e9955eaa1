#!/usr/bin/env python3
"""A miniature dom0 on which all functions are used at random, while disks fail, power is cut and
the mail server is out of order.

    make soak MINUTES=60 SEED=7
    make soak MUTE=yes              with a webhook, too, which takes connections and answers
                                    nothing: the other channels must not notice

After each operation what list_arrays, list_disks, XAPI, mdadm.conf and the kernel say is compared
with a model (soak_model.py), and now and then all that was promised. Prints a line for each
operation, and the seed; the same seed makes the same choices, as far as timing lets it. Ends with 0
only if nothing was wrong.
"""

import argparse
import collections
import hashlib
import json
import random
import time

from tests.dom0 import soak_operations
from tests.dom0.dom0 import SMTP_PASSWORD, SMTP_USER, Dom0, GuestDied, plugin_text
from tests.dom0.endurance import ALONE
from tests.dom0.kinds import content
from tests.dom0.soak_model import (
    CERTAIN,
    NONE,
    POSSIBLE,
    Model,
    NotNow,
    Wrong,
    key_of_mail,
    key_of_message,
)
from tests.dom0.steps import ALERTS, DISK_BYTES, limit_sync

DISKS = ("d0", "d1", "d2", "d3", "d4", "d5", "d6")
KEPT = ("mounted", "zeros")  # one with a file system that is mounted, one that no call may touch
FOREIGN = ["# kept by hand, do not touch", "DEVICE partitions", "# the end of it"]
SETTINGS = "[mail]\nsmtp_timeout_s = 3\n[boot]\nwait_s = 4\n"
TOLD_S, MAILED_S, SETTLED_S = 30, 90, 120
EVERYTHING_EACH = 12  # operations between two looks at all that was promised
UNDELIVERED = "XSRAID_ALERT_UNDELIVERED"  # that mail is refused for good, told by XAPI alone
LOOK = ["/usr/bin/python3.11", "/bed/dom0/guest/soak_look.py"]
LOOKS = [["list_disks", {}], ["list_arrays", {}]]
WEBHOOK = "https://smtp.example.com:8443/"
MUTE_WEBHOOK = (
    f"echo mute >/run/webhook-status; /usr/bin/python3.11 /bed/dom0/guest/webhook_server.py {ALONE}"
)
DELAYS = """/usr/bin/python3.11 -c '
import glob, json
alerts = [json.load(open(path)) for path in glob.glob("/var/lib/xsraid/history/*.json")]
print(json.dumps({name: [alert["channels"][name]["time"] - alert["created"] for alert in alerts if alert["channels"].get(name, {}).get("tries") == 1]
                  for name in ("mail", "xapi")}))'"""  # noqa: E501
READY = "systemctl is-active xsraid-attach.service"


class Soak:
    """dom0: with the disks DISKS and KEPT; say: takes each line; is_mute: have a webhook that never
    answers.

    devices, serials, by_ids: {disk: as it is called now}; alerts: the settings.
    """

    def __init__(self, dom0, seed, say=print, is_mute=False):
        self.dom0, self.random, self.say, self.is_mute = dom0, random.Random(seed), say, is_mute
        self.model, self.started_s = Model(DISKS + KEPT, KEPT), time.monotonic()
        self.devices = self.serials = self.by_ids = self.alerts = self.kept = None
        self.number, self.cuts, self.counts, self._words, self._may_return, self._last = (
            0,
            0,
            collections.Counter(),
            [],
            set(),
            None,
        )

    def run_for(self, minutes):
        """Set up, do one operation after the other for so long, and look at everything in the
        end.
        """
        self.set_up()
        deadline = time.monotonic() + minutes * 60
        while time.monotonic() < deadline:
            self.operate()
        self.end()

    def set_up(self):
        """Configure alerts beside lines that somebody else has written, mount the disk that is
        kept.
        """
        self.dom0.run(
            f"printf '{SETTINGS}' >/etc/xsraid.conf; mkfs.ext4 -q "
            f"{self.dom0.disk('mounted').device}"
        )
        self.dom0.run("cat >/etc/mdadm.conf", stdin="\n".join(FOREIGN) + "\n")
        self.mount()
        self.kept = self.digest()
        secret = self.dom0.xapi(
            "secret.get_uuid",
            self.dom0.xapi("secret.create", {"value": SMTP_PASSWORD, "other_config": {}}),
        )
        self.alerts = dict(
            ALERTS,
            smtp_user=SMTP_USER,
            smtp_password_secret=secret,
            **({"webhook_urls": WEBHOOK} if self.is_mute else {}),
        )
        self.look()
        self.call("configure_alerts", **self.alerts)
        self.model.foreign = [
            *FOREIGN,
            "MAILADDR " + ALERTS["mail_to"],
            "MAILFROM " + ALERTS["mail_from"],
        ]
        self.limit_sync(200000)
        self.finish("set up")

    def operate(self):
        """Do one operation, whichever chance and the model allow, and see what has become of
        everything.
        """
        names = sorted(soak_operations.OPERATIONS)
        weights = [soak_operations.OPERATIONS[name][0] for name in names]
        while True:
            name = self.random.choices(names, weights)[0]
            try:
                soak_operations.OPERATIONS[name][1](self)
            except NotNow:
                continue
            self.finish(name)
            return

    def finish(self, name):
        """Print the operation's line, and check."""
        self.counts[name] += 1
        self._last = f"{time.monotonic() - self.started_s:6.0f} s  {name}: {'; '.join(self._words)}"
        self._words = []
        self.say(self._last)
        self.check()
        self._may_return = set()
        if sum(self.counts.values()) % EVERYTHING_EACH == 0:
            self.check_everything()
        if self.random.random() < 0.4:
            self.settle()

    def end(self):
        """Let mail and messages through, and see that nothing was lost and nothing is left."""
        self.tell_again()
        self.mail_again()
        self.settle()
        self.finish("the end")
        self.check_everything()
        if self.is_mute:
            del self.alerts["webhook_urls"]
            self.call("configure_alerts", **self.alerts)
            self.dom0.wait_until(
                lambda: not self.dom0.run("ls /var/lib/xsraid/spool | grep alert", check=False).out
            )
        for name, delays in json.loads(self.dom0.run(DELAYS).out).items():
            taken = sorted(delays) or [0]
            self.say(
                f"from alert to {name}, {len(delays)} at the first try: median "
                f"{taken[len(taken) // 2]:.2f} s, worst {taken[-1]:.2f} s"
            )
        processes = self.dom0.run(
            "ps -eo args | grep -E '/usr/libexec/xsraid/|/plugins/xsraid' | grep -v grep",
            check=False,
        ).out
        if processes or self.dom0.run("flock -n /run/lock/xsraid.lock true", check=False).status:
            raise Wrong(f"resident in the end, or holding the lock: {processes}")

    # what operations need

    def pick(self, candidates):
        """Return one of the candidates; raises NotNow where there are none."""
        if not candidates:
            raise NotNow
        return self.random.choice(candidates)

    def plan(self):
        """Return a Plan of whichever function chance and the model allow."""
        names = sorted(soak_operations.PLANS)
        for _ in range(50):
            name = self.random.choices(names, [soak_operations.PLANS[name][0] for name in names])[0]
            try:
                return soak_operations.PLANS[name][1](self)
            except NotNow:
                pass
        raise NotNow

    def next_number(self):
        self.number += 1
        return self.number

    def named(self, *disks):
        """Return names of disks as a call may give them, comma separated: node, link or serial
        number.
        """
        return ",".join(
            self.random.choice([self.devices, self.by_ids, self.serials])[disk] for disk in disks
        )

    def name(self, array):
        return self.random.choice([array.node, array.name, array.uuid])

    def note(self, words):
        """Add words to the operation's line."""
        self._words.append(str(words))

    def run(self, command, words=None):
        """Run a command in dom0 and return its output; words: for the operation's line instead of
        the command.
        """
        self.note(words or command)
        return self.dom0.run(command).out

    def call(self, function, /, **arguments):
        """Call a function that must succeed and return its reply."""
        self.note(typed(function, arguments))
        reply = self.dom0.call(function, **arguments)
        self.inspect(reply)
        return reply

    def refused(self, code, function, /, **arguments):
        """Make a call that must be refused with that code, and see that list_disks and list_arrays
        are as before.
        """
        self.note(f"{typed(function, arguments)}: {code}")
        disks, arrays, refusal, disks_then, arrays_then = self.look(
            [*LOOKS, [function, texts(arguments)], *LOOKS]
        )["replies"]
        if not isinstance(refusal, list) or refusal[0] != code:
            raise Wrong(f"it replied {refusal}")
        if disks != disks_then or list(map(lasting, arrays["arrays"])) != list(
            map(lasting, arrays_then["arrays"])
        ):
            raise Wrong(
                f"refused, but it has changed {disks} {arrays} into {disks_then} {arrays_then}"
            )

    def unless_busy(self, plan):
        """Make a call of the plugin and return its reply or [code, ...], None for XSRAID_BUSY."""
        (reply,) = self.look([[plan.function, texts(plan.arguments)]])["replies"]
        return None if isinstance(reply, list) and reply[0] == "XSRAID_BUSY" else reply

    def look(self, calls=()):
        """Return what guest/soak_look.py shows."""
        shown = json.loads(self.dom0.run(LOOK, stdin=json.dumps(list(calls))).out)
        disks = shown["disks"].items()
        self.devices = {disk: device for disk, (device, _, _) in disks}
        self.serials = {disk: serial for disk, (_, serial, _) in disks}
        self.by_ids = {disk: link for disk, (_, _, link) in disks}
        self.find_password(shown["replies"])
        return shown

    def find_password(self, reply):
        if SMTP_PASSWORD in json.dumps(reply):
            raise Wrong(f"the password is in {reply}")

    def inspect(self, reply):
        """Look for what no reply may ever hold: the password; an array that is optimal, where a
        member is known to be missing.
        """
        self.find_password(reply)
        for record in records_in(reply):
            for array in self.model.arrays:
                if (
                    array.uuid == record["uuid"]
                    and record["health"] == "optimal"
                    and array.lacking
                    and not array.having("filling", "spare")
                ):
                    raise Wrong(f"{array} lacks a member, and this says optimal: {record}")

    # what the model is told

    def add_array(self, array):
        array.whole_since = time.monotonic()
        self.model.arrays.append(array)
        self.model.take(array)

    def forget(self, array):
        """An array is deleted: its disks are free, and what was not mailed of it by now never will
        be.
        """
        for disk in self.model.disks.values():
            if disk.uuid == array.uuid:
                disk.become("free")
        self.model.ledger.waive_mails(array.uuid, self.mailed())
        self.model.arrays.remove(array)

    def failed(self, array, disk, *keys):
        """A member has failed. Where a spare takes over, it may be whole again before anybody
        looks: then nobody is told that it is.
        """
        was_active = array.roles[disk] == "active"
        self.model.disks[disk].is_fresh, self.model.disks[disk].was_spare = (
            True,
            array.roles[disk] == "spare",
        )
        array.roles[disk] = "faulty"
        self.model.ledger.add(array, *(keys or [("XSRAID_DISK_FAILED", self.devices[disk])]))
        if was_active and array.told == NONE:
            array.told = POSSIBLE if array.having("spare") else CERTAIN

    def returned(self, disks):
        for disk in disks:
            self.model.disks[disk].is_pulled = False
            self._may_return.add(disk)

    def monitor_starts(self):
        """mdadm's monitor tells at its start of arrays that have fewer spares than their line asks
        for.
        """
        for array in self.model.arrays:
            if len(array.having("spare")) < array.spare_count:
                self.model.ledger.add(array, ("XSRAID_SPARE_MISSING", None), certainty=POSSIBLE)

    def limit_sync(self, kib_s):
        self.run(
            f"cd /proc/sys/dev/raid && echo {kib_s} | tee speed_limit_min speed_limit_max",
            f"{kib_s} KiB/s",
        )

    def write(self, array, count):
        """Write blocks that are to be there from now on."""
        is_written = array.is_written
        self.stop_writing(array)
        array.volume.write(count)
        self.note(f"{count} blocks on {array}")
        self.model.written(array)
        if is_written:
            soak_operations.write_on(self, array)

    def stop_writing(self, array):
        if array.is_written:
            self.dom0.run(f"kill $(cat /run/writer-{array.sr}); sleep 0.1")
            array.is_written = False
            self.model.written(array)

    def verify(self, array):
        is_written = array.is_written
        self.stop_writing(array)
        wrong = array.volume.wrong_blocks()
        self.note(f"{array} verified")
        if wrong:
            raise Wrong(f"blocks {wrong} of {array} are not what was synced")
        if is_written:
            soak_operations.write_on(self, array)

    def mail_again(self):
        """The mail server is in order again; without waiting for the timer's next look."""
        if not self.model.is_mailing:
            self.dom0.smtp("accept")
            # What was refused for good is tried again at once.
            self.call("configure_alerts", **self.alerts)
            self.monitor_starts()
            self.model.is_mailing = True

    def tell_again(self):
        """XAPI takes messages again."""
        if not self.model.is_told:
            self.run(
                f"rm -rf {soak_operations.FAULTS}; systemctl restart xsraid-deliver.timer",
                "all messages must come now",
            )
            self.model.is_told = True

    # power

    def make_safe(self):
        """Before power goes: md starts no RAID5 or RAID6 that lacks a member and was being written
        to, or whose parity was not yet made (md(4)).
        """
        self.observe()
        for array in self.model.arrays:
            if array.level in ("5", "6") and array.lacking:
                self.stop_writing(array)
                if array.action == "resync":
                    self.settle()
                self.dom0.wait_until(
                    lambda node=array.node[5:]: (
                        self.dom0.run(f"cat /sys/block/{node}/md/array_state").out.strip()
                        != "active"
                    )
                )
        self.observe()

    def boot(self):
        """Boot with the disks in another order, and see what has become of the arrays."""
        order = [disk for disk in DISKS + KEPT if not self.model.disks[disk].is_pulled]
        self.random.shuffle(order)
        self.note("boot with " + " ".join(order))
        self.dom0.boot(order)
        self.cuts += 1
        self.mount()
        self.dom0.wait_until(
            lambda: self.dom0.run(READY, check=False).out == "active\n", interval_s=0.3
        )
        shown = self.look()
        for array in self.model.arrays:
            array.is_written = False
            formers = {
                disk: may_return
                for disk, may_return in self.model.out_of(array).items()
                if disk in self.devices
            }
            latitude = array.after_boot(formers, self.model.unrecorded(array))
            array.see_after_boot(self.found(shown, array), self.disks_by_device(), latitude)
            self.model.take(array)
            self.note(
                f"{array} with "
                + ", ".join(f"{disk} {role}" for disk, role in sorted(array.roles.items()))
            )
        if not self.model.is_told:
            self.tell_again()  # /run is empty, the faults with it
        if not self.model.is_mailing:
            self.mail_again()
        self.monitor_starts()

    def mount(self):
        """Mount what is kept, in a way that writes nothing."""
        self.dom0.run(
            f"mkdir -p /srv/kept && mount -o ro,noload {self.dom0.disk('mounted').device} /srv/kept"
        )
        if self.is_mute:
            self.dom0.run(MUTE_WEBHOOK)

    # what must hold

    def observe(self, calls=(), patience_s=15):
        """Let the model see what the kernel has made of the arrays, and return what else is to be
        seen. What takes a moment may take one.
        """
        deadline = time.monotonic() + patience_s
        while True:
            shown = self.look(calls)
            try:
                self.see(shown)
                return shown
            except Wrong:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.3)

    def see(self, shown):
        """Raise Wrong for an array that is not there, or one too many, or one that is not what the
        model lets it be.
        """
        nodes = {"/dev/" + name for name in shown["kernel"][1]}
        if nodes != {array.node for array in self.model.arrays}:
            raise Wrong(
                f"the kernel has {sorted(nodes)}, there should be "
                f"{[str(array) for array in self.model.arrays]}"
            )
        names = self.disks_by_device()
        for array in self.model.arrays:
            found = self.found(shown, array)
            for disk, (_, role) in (
                (names.get(device), member) for device, member in found["members"].items()
            ):
                if disk in self._may_return and disk in self.model.formers(array):
                    array.roles[disk] = role
            array.see(found, names)
            self.model.take(array)
            if not array.is_whole:
                array.whole_since = time.monotonic()
            elif array.told != NONE:
                self.model.ledger.add(
                    array, ("XSRAID_REBUILD_FINISHED", None), certainty=array.told
                )
                array.told, array.whole_since = NONE, time.monotonic()

    def found(self, shown, array):
        """Return what the kernel has of an array."""
        found = shown["kernel"][1].get(array.node[5:])
        if found is None or found["uuid"].replace("-", "") != array.uuid.replace(":", ""):
            raise Wrong(f"{array} is not at {array.node}, there is {found}")
        return found

    def disks_by_device(self):
        return {device: disk for disk, device in self.devices.items()}

    def check(self):
        """What costs little, after each operation."""
        deadline = time.monotonic() + TOLD_S
        while True:
            shown = self.observe(LOOKS)
            if moving(shown["kernel"][0]) == moving(shown["kernel"][1]):
                self.compare(shown)
                _, extra, missing = self.model.ledger.match(keys_of(shown))
                if not extra and not (missing and self.model.is_told):
                    break
                if time.monotonic() > deadline:
                    raise Wrong(
                        f"XAPI was told of {extra} without a cause, and not of {missing}; of all, "
                        f"{keys_of(shown)}"
                    )
            time.sleep(0.2)
        if content(self.dom0, "zeros"):
            raise Wrong("the disk that no call may touch was written to")

    def compare(self, shown):
        """Compare what the functions say of disks and arrays, and mdadm.conf, with the model."""
        disks, arrays = shown["replies"]
        said = [
            (
                record["device"],
                record["uuid"],
                record["name"],
                record["level"],
                record["health"],
                record["redundancy_left"],
                record["configured"],
                (record["sr"] or {}).get("uuid"),
                members_of(record),
            )
            for record in arrays["arrays"]
        ]
        wanted = [
            (
                array.node,
                array.uuid,
                array.name,
                "raid" + array.level,
                array.health,
                max(0, array.left),
                True,
                array.sr,
                array.expected_members(self.serials),
            )
            for array in sorted(self.model.arrays, key=lambda array: (len(array.node), array.node))
        ]
        if said != wanted:
            raise Wrong(f"list_arrays says {said}, it should be {wanted}")
        said = {record["serial"]: record for record in disks["disks"]}
        for name, serial in self.serials.items():
            is_usable, reason, is_stale = self.usability(name)
            reasons = [refusal["reason"] for refusal in said[serial]["refusals"]] or [None]
            if (said[serial]["usable"], bool(said[serial]["stale"])) != (
                is_usable,
                is_stale,
            ) or reason not in reasons:
                raise Wrong(
                    f"list_disks says {said[serial]} of {name}, it should be "
                    f"{is_usable, reason, is_stale}"
                )
        plugged = {array.sr: True for array in self.model.arrays if array.sr}
        if shown["plugged"] != plugged:
            raise Wrong(f"XAPI has plugged {shown['plugged']}, it should be {plugged}")
        lines = shown["mdadm.conf"].splitlines()
        kept = [line for line in lines if not line.startswith("ARRAY")]
        if (
            sorted(line for line in lines if line.startswith("ARRAY"))
            != self.model.expected_lines()
            or kept != self.model.foreign
        ):
            raise Wrong(f"mdadm.conf is {lines}, there should be {self.model.expected_lines()}")

    def usability(self, name):
        """Return (usable, a reason why not, whether there is stale data) of a disk, as list_disks
        must have it.
        """
        kept = {"mounted": (False, "MOUNTED", False), "zeros": (True, None, False)}
        usual = {"free": (True, None, False), "stale": (True, None, True)}
        return kept.get(name) or usual.get(
            self.model.disks[name].state, (False, "RAID_MEMBER", False)
        )

    def check_everything(self):
        """What takes longer: every block that was synced, the disk that is mounted, each mail, and
        that the password is nowhere.
        """
        for array in self.model.arrays:
            if array.volume and array.left >= 0:
                self.verify(array)
        if self.digest() != self.kept:
            raise Wrong("the disk that is mounted was written to")
        self.check_mails()
        found = self.dom0.run(
            f"grep -rlaF '{SMTP_PASSWORD}' /var/log /var/lib/xsraid; journalctl --no-pager --all | "
            f"grep -F '{SMTP_PASSWORD}'",
            check=False,
        )
        if found.out or any(SMTP_PASSWORD in mail.text for mail in self.dom0.mails()):
            raise Wrong(f"the password is in {found.out or 'a mail'}")
        self.say(
            f"{time.monotonic() - self.started_s:6.0f} s  everything is right: "
            f"{'; '.join(self._words)}"
        )
        self._words = []

    def check_mails(self):
        """Each alert is mailed once; twice only, and then as the same mail, where power was cut
        between the server's answer and the note of it.
        """
        deadline = time.monotonic() + MAILED_S
        while True:
            lacking, extra = self.model.ledger.unmailed(self.told(), self.mailed())
            extra = extra if self.model.is_told else []  # mail waits for no message
            if not extra and not (lacking and self.model.is_mailing):
                break
            if time.monotonic() > deadline:
                raise Wrong(f"mails of {lacking} are missing, those of {extra} should not be")
            time.sleep(0.3)
        mails = self.dom0.mails()
        copies = len(mails) - len({mail.headers["Message-ID"] for mail in mails})
        if copies > self.cuts:
            raise Wrong(f"{copies} mails came twice, after {self.cuts} power cuts")

    def told(self):
        """Return the key of each alert that XAPI has a message of."""
        return keys_of(self.look())

    def mailed(self):
        """Return the Counter of the keys of all mails, copies of one counted once."""
        mails = {mail.headers["Message-ID"]: mail for mail in self.dom0.mails()}
        return collections.Counter(key_of_mail(mail.headers["Subject"]) for mail in mails.values())

    def digest(self):
        """Return what tells whether the disk that is mounted was written to."""
        with open(f"{self.dom0.share}/mounted.img", "rb") as image:
            return hashlib.file_digest(image, "sha256").hexdigest()

    def settle(self):
        """Let all that is under way on arrays end, as fast as it may."""
        limit_sync(self.dom0, 200000)
        deadline = time.monotonic() + SETTLED_S
        while True:
            self.observe()
            if all(array.is_calm for array in self.model.arrays):
                return
            if time.monotonic() > deadline:
                raise Wrong(
                    "what is under way does not end: " + self.dom0.run("cat /proc/mdstat").out
                )
            time.sleep(0.5)


def texts(arguments):
    """Return arguments as xe would send them."""
    return {name: plugin_text(value) for name, value in arguments.items()}


def typed(function, arguments):
    return " ".join([function, *(f"{name}={text}" for name, text in texts(arguments).items())])


def keys_of(shown):
    return [
        key_of_message(name, body)
        for name, body in shown["messages"]
        if name.startswith("XSRAID") and name != UNDELIVERED
    ]


def moving(kernel):
    """Return what must not change between two looks for a reply between them to be compared."""
    return {
        name: (found["members"], found["sync_action"], found["array_state"] == "read-auto")
        for name, found in kernel.items()
    }


def members_of(record):
    return {(member["serial"], member["slot"], member["state"]) for member in record["members"]}


def records_in(reply):
    """Yield the records of arrays in a reply, or in a list of replies."""
    for one in reply if isinstance(reply, list) else [reply]:
        if isinstance(one, dict):
            yield from one.get("arrays", [])
            if "members" in (one.get("array") or {}):
                yield one["array"]


def lasting(record):
    """Return what a refused call must leave alone of an array, whose resync or rebuild goes on
    meanwhile; SMART is asked in the background.
    """
    record = dict(record, members=[dict(member, smart=None) for member in record["members"]])
    goes_on = (
        ("sync", "summary", "health", "redundancy_left", "members", "mismatch_count")
        if record["sync"]
        else ("mismatch_count",)
    )
    stays = {key: value for key, value in record.items() if key not in goes_on}
    return stays, [(member["serial"], member["device"]) for member in record["members"]]


def what_the_guest_says(dom0):
    """Return what xsraid and the kernel have written lately, and the last alerts, as far as the
    guest can still tell.
    """
    try:
        return [
            dom0.run(command, check=False, timeout_s=20).out
            for command in (
                "journalctl --no-pager -o short-precise -t xsraid -t kernel -n 80",
                "tail -n 5 /var/lib/xsraid/spool/*.alert /var/lib/xsraid/history/*.json",
                "cat /proc/mdstat /etc/mdadm.conf /var/lib/xsraid/spool/memory",
            )
        ]
    except GuestDied:
        return ["the guest is gone; its console:", dom0.console()[-3000:]]


def soak(dom0, minutes, seed, say=print, is_mute=False):
    """Soak a dom0; raises whatever was wrong, with the last operations and what the guest has to
    say.
    """
    lines = collections.deque(maxlen=30)

    def tell(line):
        lines.append(line)
        say(line)

    one = Soak(dom0, seed, tell, is_mute)
    try:
        one.run_for(minutes)
    except BaseException as error:
        error.add_note(
            "\n".join(
                [
                    f"seed {seed}; the last operations:",
                    *lines,
                    "and: " + "; ".join(one._words),
                    *what_the_guest_says(dom0),
                ]
            )
        )
        raise
    return one.counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().getrandbits(32))
    parser.add_argument(
        "--python",
        default="system",
        choices=("2.7", "3.6", "system"),
        help="dom0's python (default: Debian's own)",
    )
    parser.add_argument("--mute", action="store_true", help="with a webhook that never answers")
    options = parser.parse_args()
    say = lambda line: print(line, flush=True)  # noqa: E731
    say(f"seed {options.seed}, {options.minutes:g} minutes")
    with Dom0(options.python, disks=DISKS + KEPT, disk_bytes=DISK_BYTES) as dom0:
        counts = soak(dom0, options.minutes, options.seed, say, options.mute)
    say(
        f"seed {options.seed}: nothing was wrong with {sum(counts.values())} operations: "
        + ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
    )


if __name__ == "__main__":
    main()
