"""Assembling arrays at boot: each under its node, with the members that are there, late ones waited
for, and nothing forced.

Each array is seen to by a process of its own, so that one that hangs keeps no other back. What is
done once xapi is up is for `units`.
"""

from __future__ import absolute_import

import syslog
import time

import XenAPI

from xsraid.actions import parts, rollback
from xsraid.disks import lvm
from xsraid.errors import Busy, XsraidError
from xsraid.host import config, stack, store, sysfs, workers
from xsraid.host.process import run
from xsraid.md import examine, mdadm, resync, superblocks
from xsraid.md import state as md_state
from xsraid.md.names import number_of
from xsraid.states import Health, MemberState
from xsraid.text import bare_uuid, md_uuid, printable, same_uuid

SETTLE_S = 20
GRACE_S = 5  # for what is done besides commands


def assemble(host):
    """Assemble every array of /etc/mdadm.conf that is not running, under its node, and note what
    was done. Raises Busy.

    Members that are late are waited for, up to `[boot] wait_s` of /etc/xsraid.conf; then an array
    starts without them, if it can. Between two looks the lock is let go. Looks are counted, not
    seconds of the clock: that may be set while dom0 boots.
    """
    limits = config.load_or_default(host)
    _settle(host)
    boot = Boot(host)
    for look in range(limits.boot_wait_s + limits.mdadm_timeout_s):
        try:
            with host.lock("assembling arrays"):
                if boot.assemble(look >= limits.boot_wait_s):
                    return
        except Busy as error:
            busy = error
        time.sleep(1)
    raise busy


def tried(what, act, *arguments):
    """Return the sentences of an act, or the one that says why it failed: what is left is done all
    the same.
    """
    try:
        return act(*arguments) or []
    except XsraidError as error:
        return ["%s failed: %s" % (what, error.sentence)]
    except XenAPI.Failure as error:
        return ["%s failed: %s" % (what, printable(" ".join(error.details)))]


def tried_together(host, what, act, items, limit_s, at_once=workers.AT_ONCE):
    """Have act(item) done for each item at once; return (sentences, items that failed). act returns
    sentences; what(item) names it.
    """
    sentences, failed = [], []
    for item, outcome in zip(items, workers.each(host, act, items, limit_s, at_once)):
        sentences += (
            ["%s failed: %s" % (what(item), outcome.error)]
            if outcome.error
            else outcome.value or []
        )
        failed += [item] if outcome.error else []
    return sentences, failed


class Boot(object):
    """One assembly of all arrays, over several looks.

    blocks: {device: Superblock as it was before its array ran, None if it has none}; unread:
    {device: why its superblock cannot be read};
    given_up: the lines, (uuid, node), whose arrays are not tried again; did: sentences; conflicts:
    {uuid: the sentences of `conflict`}; parts: of `parts.noted`; awaited: {uuid: why it is not
    started from what is there}.
    """

    def __init__(self, host):
        self.host = host
        self.parts, self.awaited = parts.noted(host), {}
        self.blocks, self.unread, self.given_up, self.did, self.conflicts = {}, {}, [], [], {}

    def assemble(self, is_last):
        """Assemble what is complete, return whether that is all or, with is_last, all that can be
        done.

        An array that udev has begun to assemble starts by itself when its last member comes; one of
        which udev knows nothing is tried again and again. One of which parts have been written to
        without each other is not started: which is the data, a person has to say. Nor is one of
        which only members are there that it went on without: the others may come yet.
        """
        host = self.host
        self.did += tried("taking back", rollback.take_back_creations, host)
        lines = self._waiting()
        self._examine(lines)
        alone = [
            (uuid, node)
            for uuid, node in lines
            if uuid and _inactive(host, uuid) is None and not self._is_split(uuid)
        ]
        self._together(
            "assembling",
            lambda line: _assemble_whole(host, line[1], line[0], self._readable(line[0])),
            alone,
        )
        lines = self._waiting()
        if lines and not is_last:
            return False
        self._start([line for line in lines if not line[0] or self._may_start(*line)])
        self._stop_begun()
        self._finish()
        return True

    def _start(self, lines):
        self._together(
            "starting",
            lambda line: _start_without(self.host, line[1], line[0], self._readable(line[0])),
            lines,
        )

    def _may_start(self, uuid, node):
        return not self._is_split(uuid) and not self._is_outlived(uuid, node)

    def _stop_begun(self):
        """Stop what udev has begun of arrays that are not to be started: mdadm-last-resort would
        start it.
        """
        for uuid in sorted(set(self.awaited).union(self.conflicts)):
            inactive = _inactive(self.host, uuid)
            if inactive is not None:
                self.did += tried("stopping " + inactive, mdadm.stop, self.host, inactive, True)

    def start_awaited(self, awaited, reported):
        """Start arrays that were not started, as the members that they last ran from were away,
        where these have come; have none run from members that it had gone on without, unless
        somebody who was told has started it.

        awaited: {uuid: why}; reported: the uuids of those that somebody was told of. The attribute
        `awaited` is then of those that do not run. Return ({uuid: [Superblock] as before it ran} of
        those awaited or told of that run now as they should, the uuids of those that somebody who
        was told has started from what is left).
        """
        lines = _not_running(self.host)
        self._examine(lines)
        startable = [
            (uuid, node)
            for uuid, node in lines
            if uuid and self._blocks_of(uuid) and self._may_start(uuid, node)
        ]
        ours = set(awaited).union(reported)
        self._start([line for line in startable if md_uuid(line[0]) in ours])
        self._stop_begun()
        chosen = self._stop_outlived(reported)
        records = _there(self.host)
        running = [record.uuid for record in records]
        known = dict(awaited, **self.awaited)
        self.awaited = {uuid: why for uuid, why in known.items() if uuid not in running}
        ours.difference_update(chosen, self.conflicts)
        before = self._before(record for record in records if record.uuid in ours)
        return {uuid: before.get(uuid, []) for uuid in running if uuid in ours}, chosen

    def _finish(self):
        """Start the fresher parts, bring arrays to their nodes, take in what is late, have repairs
        begin, and note what is for `units`.
        """
        host = self.host
        self.part_joined()
        self._look_for_fresher()
        self._stop_outlived()
        done, left = _put_right(host)
        self.did += [sentence for _, sentence in done + left]
        _settle(host)
        there = [record for record in _there(host) if record.uuid not in self.conflicts]
        before = self._before(there)
        sentences, _ = tried_together(
            host,
            lambda record: "repairing " + record.device,
            lambda record: _repair(host, record, before.get(record.uuid, [])),
            there,
            3 * host.command_limit_s + GRACE_S,
        )
        self.did += sentences
        kept = {uuid: list(map(superblocks.packed, blocks)) for uuid, blocks in before.items()}
        facts = {"before": kept, "left": left, "conflicts": self.conflicts, "awaited": self.awaited}
        store.write(host, store.BOOT, facts)
        for sentence in self.did + [
            "%s: %s" % (device, why) for device, why in sorted(self.unread.items())
        ]:
            host.log("at boot: " + sentence, syslog.LOG_WARNING)

    def _waiting(self):
        return [line for line in _not_running(self.host) if line not in self.given_up]

    def _together(self, what, act, lines):
        sentences, failed = tried_together(
            self.host,
            lambda line: "%s %s" % (what, _name(*line)),
            act,
            lines,
            3 * self.host.command_limit_s + GRACE_S,
        )
        self.did += sentences
        self.given_up += failed

    def _examine(self, lines):
        """Read the superblocks of the members of arrays that do not run yet: running, they would no
        longer tell how fresh they were.
        """
        uuids, known = [bare_uuid(uuid) for uuid, _ in lines if uuid], examine.candidates(self.host)
        for device in [device for device in self.blocks if device not in known]:
            del self.blocks[device]  # it has gone, and another may come under its name
        self._read(device for device, uuid in known.items() if uuid in uuids)

    def _read(self, devices):
        new = sorted(
            device for device in devices if device not in self.blocks and device not in self.unread
        )
        found, unread = examine.superblocks_of(self.host, new)
        self.blocks.update(found)
        self.unread.update(unread)

    def _blocks_of(self, uuid):
        return [
            block
            for _, block in sorted(self.blocks.items())
            if block and same_uuid(block.uuid, uuid)
        ]

    def _readable(self, uuid):
        """Return the devices that an array is to be assembled from, None for whatever mdadm finds:
        udev may know nothing of its members.
        """
        devices = []
        if uuid:
            devices = [block.device for block in self._blocks_of(uuid)]
        if not devices and self.unread:  # mdadm would hang on them, too
            devices = [
                device
                for device, _ in sysfs.disks_and_partitions(self.host)
                if device not in self.unread
            ]
        return devices or None

    def _is_split(self, uuid):
        """Return whether parts of an array that does not run have been written to without each
        other; remember the conflict.
        """
        blocks = self._blocks_of(uuid)
        if not superblocks.is_split(blocks):
            return False
        if md_uuid(uuid) not in self.conflicts:
            best = superblocks.freshest(blocks)
            self.conflicts[md_uuid(uuid)] = conflict(
                self.host, uuid, [block for block in blocks if block not in best], best
            )
            self.did.append(
                "%s was not started: parts of it have been written to without each other"
                % md_uuid(uuid)
            )
        return True

    def _is_outlived(self, uuid, node):
        """Return whether an array went on without all of its members that are there; remember why
        it is not started.
        """
        why = self._why_not_alone(md_uuid(uuid), node, self._blocks_of(uuid))
        if why is None:
            return False
        self.awaited[md_uuid(uuid)] = why
        self.did.append("%s was not started: it went on without what is there" % md_uuid(uuid))
        return True

    def _why_not_alone(self, uuid, node, blocks):
        """Return why an array is not started from these members, None if it may be."""
        part = self.parts.get(uuid)
        if not parts.is_outlived(self.host, part, blocks):
            return None
        return parts.why_not_alone(
            part, uuid, node, blocks, examine.lasting_names(self.host, blocks)
        )

    def _stop_outlived(self, reported=()):
        """Stop arrays that somebody has started from members that they had gone on without, unless
        they are in use: those that went on may come yet.

        reported: uuids of arrays that somebody was told of, who may have started them: they are let
        run. Return the uuids of those that run so.
        """
        records = [record for record in lacking(self.host) if record.uuid not in self.conflicts]
        before, chosen = self._before(records), []
        for record in records:
            node = _node_of(self.host, record.uuid)
            why = self._why_not_alone(record.uuid, node, before[record.uuid])
            if why is None:
                continue
            if record.uuid in reported:
                chosen.append(record.uuid)
                continue
            sentences = tried("stopping " + record.device, _stop_unused, self.host, record, None)
            if sentences:
                self.conflicts[record.uuid] = "%s It runs, and goes on: %s." % (
                    why,
                    "".join(sentences),
                )
            else:
                self.awaited[record.uuid] = why
            self.did.append(
                "%s ran from members that it had gone on without: %s"
                % (record.device, "".join(sentences) or "it was stopped")
            )
        return chosen

    def part_joined(self):
        """Take apart arrays that run from members of which one had gone on without another, before
        anything is written to them: go on with the fresher members, or with none of them where
        each lacks what another has.

        Kernels before 6.8 ask each member alone which part it has, and so join two of equal event
        counts, or of which one was left out just before a power cut.
        """
        host = self.host
        for record in _there(host):
            if record.uuid in self.conflicts or not md_state.is_untouched(host, record):
                continue
            devices = md_state.active_members(record)
            self._read(devices)
            blocks = [block for block in map(self.blocks.get, devices) if block]
            if not superblocks.were_apart(blocks):
                continue
            fresh, is_split = superblocks.freshest(blocks), superblocks.is_split(blocks)
            nodes = [block.device for block in fresh]
            self.did += tried(
                "taking apart " + record.device, _start_fresher, host, record, nodes, is_split
            )
            if is_split or self._runs_from(record, set(devices).difference(nodes)):
                others = [block for block in blocks if block not in fresh]
                self.conflicts[record.uuid] = conflict(host, record.uuid, others, fresh)

    def _before(self, records):
        """Return {uuid: [Superblock]} of the active members of arrays that lack a member, as they
        were before these ran.

        Of those that ran already when they were first seen, as they are now: md writes nothing
        there before the first write to the array.
        """
        active = {
            record.uuid: md_state.active_members(record)
            for record in filter(md_state.lacks_member, records)
        }
        self._read(device for devices in active.values() for device in devices)
        before = {}
        for uuid, devices in active.items():
            blocks = [self.blocks.get(device) for device in devices]
            before[uuid] = [block for block in blocks if block and same_uuid(block.uuid, uuid)]
        return before

    def _look_for_fresher(self):
        """Where an older part of an array runs while a fresher one is there, stop it, unless
        somebody uses it, and start the fresher one.

        Parts that have both been written to without the other are left stopped: xapi plugs nothing
        that is not there.
        """
        records = lacking(self.host)
        before = self._before(records)
        items = []
        for record, free in zip(records, examine_free(self.host, records)):
            self.did += free.unread
            apart, is_split = free.apart(before[record.uuid])
            items += [(record, apart, is_split)] if apart else []
        sentences, _ = tried_together(
            self.host,
            lambda item: "starting the fresher part of " + item[0].device,
            lambda item: _start_fresher(
                self.host, item[0], [block.device for block in item[1]], item[2]
            ),
            items,
            4 * self.host.command_limit_s + GRACE_S,
        )
        self.did += sentences
        for record, apart, is_split in items:
            if is_split or not self._runs_from(record, [block.device for block in apart]):
                self.conflicts[record.uuid] = conflict(
                    self.host, record.uuid, before[record.uuid], apart
                )

    def _runs_from(self, record, devices):
        now = next((one for one in _there(self.host) if one.uuid == record.uuid), None)
        return now is not None and any(
            member.device in devices and member.state == MemberState.ACTIVE
            for member in now.members
        )


def conflict(host, uuid, ours, others):
    """Return the sentences on two parts of an array that ran without each other: what they are, and
    how a person chooses one of them.
    """
    node = _node_of(host, uuid) or md_state.BY_ID + md_uuid(uuid)
    both = [sorted(part) for part in (others, ours) if part]
    shown = [
        "%s (%d events)" % (examine.lasting_names(host, part), superblocks.event_count(part))
        for part in both
    ]
    commands = [
        "`mdadm --assemble --run %s %s`" % (node, examine.lasting_names(host, part))
        for part in both
    ]
    return (
        "Parts of it were written to without each other, and none was added to the other: %s. To "
        "go on with one of them and give up what only the other has: unplug its storage repository "
        "(`xe pbd-unplug`), `mdadm --stop` it if it runs, then %s, plug the storage repository, "
        "and put the other disks in with add_disk and wipe=true."
        % (", and ".join(shown), " or ".join(commands))
    )


def _node_of(host, uuid):
    """Return the node that an ARRAY line gives an array, None if none does."""
    nodes = {
        md_uuid(known): node for node, known in md_state.read_configuration(host).arrays() if known
    }
    return nodes.get(md_uuid(uuid))


class Free(object):
    """The members of an array that are there and that it runs without, see `_free`.

    blocks: their Superblocks; unread: sentences on those that cannot be read.
    """

    def __init__(self, record, blocks, unread):
        self.blocks = [
            block
            for _, block in sorted(blocks.items())
            if block and same_uuid(block.uuid, record.uuid)
        ]
        self.unread = [
            "%s was not added to %s: whether it is fresher is not known (%s)"
            % (device, record.device, why)
            for device, why in sorted(unread.items())
        ]

    def apart(self, ours, before=(), booted=0):
        """Return (the Superblocks of those that went on without these, whether these went on
        without them as well).

        before, booted: of `superblocks.compare_since`.
        """
        words = [
            (superblocks.compare_since(ours, before, block, booted), block) for block in self.blocks
        ]
        went_on = [block for word, block in words if word in superblocks.CONFLICTS]
        return went_on, any(word == superblocks.SPLIT for word, _ in words)


def examine_free(host, records):
    """Return a Free for each array."""
    known = examine.candidates(host)
    return [
        Free(record, *examine.superblocks_of(host, _free(host, record, known)))
        for record in records
    ]


def _free(host, record, known):
    """Return the devices that carry an array's uuid and are no members of it, or are to be written
    over as soon as somebody writes to the array.

    Two of mdadm that udev runs at once may add a member to an array that the other has just
    started: an array with a bitmap takes in even a fresher one, and marks nothing on it until then.
    It is a spare until md has given it a slot.
    """
    members = {member.device: member.state for member in record.members}
    active = [device for device, state in members.items() if state == MemberState.ACTIVE]
    own = {parts.member_uuid(host, device) for device in active} - {None}
    if md_state.is_untouched(host, record):
        members = {
            device: state
            for device, state in members.items()
            if state not in (MemberState.REBUILDING, MemberState.SPARE)
        }
    return sorted(
        device
        for device, uuid in known.items()
        if uuid == bare_uuid(record.uuid)
        and device not in members
        and parts.member_uuid(host, device) not in own
    )


def take_in(host, record, before):
    """Take free members of an array into it that are as fresh as it was; return what was done.
    before: Superblocks as they were before it ran.

    udev does not take in what comes after the start. Staler ones have failed or been away: those
    are for a person to judge.
    """
    if not any(member.state == MemberState.MISSING for member in record.members):
        return []
    (found,) = examine_free(host, [record])
    known = [member.device for member in record.members]
    taken = []
    for block in found.blocks:
        if block.device not in known and superblocks.compare(before, block) == superblocks.SAME:
            _re_add(host, record, block.device)
            taken.append("%s took in %s" % (record.device, block.device))
    return taken + found.unread


def _re_add(host, record, device):
    try:
        mdadm.re_add(host, record.device, device)
    except XsraidError:
        resync.thaw(host, record)
        raise


def _there(host):
    """Return the records of the configured arrays that run."""
    return [
        record
        for record in md_state.read_arrays(host)
        if record.configured and record.uuid and record.health not in Health.NOT_THERE
    ]


def lacking(host):
    """Return the records of the configured arrays that run without all of their members in sync."""
    return [record for record in _there(host) if md_state.lacks_member(record)]


def _name(uuid, node):
    return node or md_uuid(uuid)


def _not_running(host):
    """Return [(uuid, node)] of the ARRAY lines whose arrays do not run, containers left out; either
    may be None.
    """
    records, configuration = md_state.read_arrays(host), md_state.read_configuration(host)
    running = [
        bare_uuid(record.uuid)
        for record in records
        if record.uuid and record.health not in Health.NOT_RUNNING
    ]
    known = md_state.running_lines(host)
    waiting = []
    for line in configuration.wanted_lines():
        if line.metadata in md_state.EXTERNAL_KINDS and line.container is None:
            # Udev assembles a container from its members' own metadata, as far as they are there.
            continue
        is_running = (
            bare_uuid(line.uuid) in running
            if line.uuid
            else line in known or host.device_number(line.node or "") is not None
        )
        if not is_running and (line.uuid or line.node):
            waiting.append((line.uuid, line.node))
    return waiting


def _inactive(host, uuid):
    """Return the node of an array that udev has begun to assemble and that waits for members, None
    when there is none.
    """
    return next(
        (
            record.device
            for record in md_state.read_arrays(host)
            if uuid
            and record.uuid
            and record.health == Health.INACTIVE
            and same_uuid(record.uuid, uuid)
        ),
        None,
    )


def _settle(host):
    run(host, ["udevadm", "settle", "--timeout=%d" % SETTLE_S], SETTLE_S + 5, accept=None)


def _assemble_whole(host, node, uuid, devices):
    """Assemble an array if all of its members are there; one that lacks any is nothing to tell of
    yet.
    """
    mdadm.assemble(host, node, uuid, ["--no-degraded"], devices)
    return []


def _start_without(host, node, uuid, devices):
    """Start an array without the members that did not come, if it can; return what was done."""
    inactive = _inactive(host, uuid)
    output = ""
    if inactive is not None:
        output = mdadm.start(host, inactive)
        # What udev collected may be the wrong members: mdadm chooses better when it sees all of
        # them at once.
        if (uuid, node) in _not_running(host):
            mdadm.stop(host, inactive, may_fail=True)
            inactive = None
    if inactive is None:
        output = (
            mdadm.assemble(host, node, uuid, ["--run"], devices)
            if uuid
            else mdadm.assemble_configured(host, node)
        )
    if (uuid, node) in _not_running(host):
        return [
            "%s could not be started: %s"
            % (_name(uuid, node), " ".join(output.split()) or "none of its members is there")
        ]
    return [
        "%s was started without all of its members, which did not come in time" % _name(uuid, node)
    ]


def _start_fresher(host, record, devices, is_split):
    """Stop an array that runs from an older part of it and start the fresher one, of these devices,
    or with is_split none; return what was done.
    """
    users = _users(host, record)
    if users:
        return [
            "%s was not stopped to start %s, which is not older: it is in use by %s"
            % (record.device, ", ".join(devices), ", ".join(users))
        ]
    mdadm.stop(host, record.device)
    if is_split:
        return [
            "%s was stopped: parts of it have been written to without each other" % record.device
        ]
    node = _node_of(host, record.uuid)
    output = mdadm.assemble(host, node, record.uuid, ["--run"], devices)
    return [
        "%s was started anew from %s, which is fresher than what ran: %s"
        % (record.device, ", ".join(devices), " ".join(output.split()))
    ]


def _put_right(host):
    """Bring arrays that have another node than their ARRAY line gives them to that node, unless
    somebody uses them.

    A volume group that udev has activated, but of which nothing is open, counts as nobody. Return
    (what was done, what was left), each [(uuid, sentence)].
    """
    nodes = {
        md_uuid(uuid): node
        for node, uuid in md_state.read_configuration(host).arrays()
        if uuid and node
    }
    records = [
        record for record in md_state.read_arrays(host) if record.health not in Health.NOT_THERE
    ]
    wrong = [
        record
        for record in records
        if record.uuid in nodes and _kernel_node(host, nodes[record.uuid]) != record.device
    ]
    right = {record.device: record.uuid for record in records if record not in wrong}
    done, left, stopped = [], [], []
    items = [(record, right.get(_kernel_node(host, nodes[record.uuid]))) for record in wrong]
    for (record, _), outcome in zip(
        items,
        workers.each(
            host,
            lambda item: _stop_unused(host, item[0], item[1]),
            items,
            3 * host.command_limit_s + GRACE_S,
        ),
    ):
        why = outcome.error or outcome.value
        if why:
            left.append(
                (
                    record.uuid,
                    "%s should be %s, but %s" % (record.device, nodes[record.uuid], why),
                )
            )
        else:
            stopped.append(record)
    outcomes = workers.each(
        host,
        lambda record: mdadm.assemble(
            host,
            nodes[record.uuid],
            record.uuid,
            ["--run"],
            [member.device for member in record.members if member.device],
        ),
        stopped,
        host.command_limit_s + GRACE_S,
    )
    for record, outcome in zip(stopped, outcomes):
        done.append(
            (
                record.uuid,
                "%s was brought to its node %s%s"
                % (
                    record.device,
                    nodes[record.uuid],
                    ", failed: " + outcome.error if outcome.error else "",
                ),
            )
        )
    return done, left


def _stop_unused(host, record, taken):
    """Stop an array that nobody uses; return why not. taken: the uuid of the array that has its
    node.
    """
    users = _users(host, record)
    if users or taken:
        return (
            "it is in use by %s" % ", ".join(users) if users else "that is the node of %s" % taken
        )
    mdadm.stop(host, record.device)
    return None


def _kernel_node(host, node):
    """Return the node that the kernel has for an array's node: /dev/mdN is itself, even where a
    link of that name leads elsewhere.
    """
    number = number_of(node)
    return "/dev/md" + number if number else host.real_path(node)


def _users(host, record):
    """Return what uses an array, after deactivating the volume group on it if nothing of that is
    open.
    """
    mounts, swaps, others = stack.users_of(host, record.device)
    if others and not mounts and not swaps:
        group = lvm.volume_groups(host).get(
            sysfs.attribute(host, sysfs.name_of(record.device), "dev")
        )
        if group and group.name:
            tried("deactivating " + group.name, lvm.deactivate, host, group.name)
            mounts, swaps, others = stack.users_of(host, record.device)
    return mounts + swaps + others


def _repair(host, record, before):
    """Have a running array that is not whole take in members that udev left out, and begin to
    repair itself; return what was done.

    md repairs nothing until the array is first written to, and only then puts down which members
    are missing: until that a disk that comes back could be taken for one that is up to date.
    """
    did = take_in(host, record, before) if md_state.lacks_member(record) else []
    if (md_state.lacks_member(record) or record.sync) and md_state.is_untouched(host, record):
        mdadm.make_writable(host, record.device)
    resync.part_from_reshape(host, record)
    return did
