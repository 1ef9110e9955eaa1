#!/usr/bin/python3.11
"""Disturbs a call of the plugin in each of many ways, repeats it, and tells what became of it; the
machine is brought back before each way.

stdin, JSON: {"function", "arguments", "devices": those whose content a call may change, "tells":
what of the reply must be the same (array.uuid), and perhaps one of
  "unfinished": {"arguments", "step": a pattern}: each trial begins with this call of the function,
    killed at the step,
  "faults": lists of fault files (xapi/faults.py), the files of a list put in place at once}.
With faults XAPI or its storage manager fails; otherwise the plugin is killed, at each step or,
after an unfinished call, at those which that adds.

stdout, JSON: {"steps": of the plugin, "end": how a call ends that nobody disturbs, its identities
being numbers, "trials": [{"name", "failures":
[code, ...] of each call before the one that succeeded, "missed": the step that was there instead of
the one to die at, "end": where it is another}]}.
"""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
import time
import xmlrpc.client

import XenAPI
from machine import Machine, normalised, shell, wait_until

FOLDER, FAULTS = "/run/boundaries", "/run/xapi-faults"
BY_HAND = ["/usr/bin/python3.11", "/bed/dom0/guest/plugin_by_hand.py"]
PATIENCE_S = 20
CALLS_MAX = 3


class Trials:
    """machine: a Machine as it is to be before each; wish: of stdin."""

    def __init__(self, machine, wish):
        self.machine, self.function, self.arguments, self.tells = (
            machine,
            wish["function"],
            wish["arguments"],
            wish["tells"],
        )
        self.unfinished = None
        self.steps, self.end = self.record()

    def record(self):
        """Return (steps, end) of a call that nobody disturbs."""
        with Recording() as recording:
            reply = self.machine.call(self.function, self.arguments)
            steps = recording.steps()
        return steps, self.end_after(reply)

    def leave_unfinished(self, arguments, pattern):
        """Begin each trial with a call that is killed at the first step which fits a pattern; the
        steps are those that this call adds.
        """
        self.machine.bring_back()
        with Recording() as recording:
            self.machine.call(self.function, arguments)
            number = next(
                step["number"] for step in recording.steps() if re.match(pattern, in_words(step))
            )
        self.unfinished = arguments, number
        self.begin()
        plain, added = [normalised(in_words(step)) for step in self.steps], []
        for step in reversed(self.record()[0]):  # what undoes comes first
            if normalised(in_words(step)) in plain:
                plain.remove(normalised(in_words(step)))
            else:
                added.insert(0, dict(step, ways=step["ways"][:1]))
        self.steps = added

    def begin(self):
        """Bring the machine to where each trial begins."""
        self.machine.bring_back()
        if self.unfinished:
            arguments, number = self.unfinished
            with Recording((number, "before")):
                until_done(lambda: self.call(arguments), calls_max=1)

    def kill_at(self, step, way):
        """Let the plugin be killed at a step, and call again."""
        self.begin()
        result = {"name": "%d %s %s" % (step["number"], way, in_words(step))}
        with Recording((step["number"], way)) as recording:
            failures, reply = until_done(self.call, calls_max=1)
            taken, orphan = recording.steps()[-1], recording.orphan()
            recording.disarm()
            if reply is None:
                more_failures, reply = self.repeat(
                    orphan, PATIENCE_S if (step["kind"], way) == ("request", "begun") else 0
                )
                failures += more_failures
        if normalised(in_words(taken)) != normalised(in_words(step)):
            result["missed"] = in_words(taken)
        wait_until(lambda: not is_alive(orphan), PATIENCE_S)
        return self.judged(result, failures, reply)

    def repeat(self, orphan, xapi_busy_s):
        """Call again; XSRAID_BUSY is an answer only while the command that the dead plugin left
        behind is at work, or XAPI for it.
        """
        busy_until = time.monotonic() + xapi_busy_s
        while True:
            may_be_busy = is_alive(orphan) or time.monotonic() < busy_until
            failures, reply = until_done(self.call, calls_max=1)
            if reply or not may_be_busy or failures[0][0] != "XSRAID_BUSY":
                return failures, reply

    def with_faults(self, faults):
        """Let XAPI die or its storage manager fail, start it again where it died, and call
        again.
        """
        self.begin()
        os.makedirs(FAULTS, exist_ok=True)
        for fault in faults:
            with open("%s/%s" % (FAULTS, fault), "w") as fault_file:
                fault_file.write("5\n")
        failures, reply = until_done(self.call_by_hand, CALLS_MAX)
        return self.judged({"name": " ".join(faults)}, failures, reply)

    def call(self, arguments=None):
        """Return (failure, None) or (None, reply)."""
        try:
            return None, self.machine.call(self.function, arguments or self.arguments)
        except XenAPI.Failure as failure:
            return failure.details, None

    def call_by_hand(self):
        """The same without XAPI, which may die meanwhile; it is there again afterwards."""
        words = ["%s=%s" % argument for argument in self.arguments.items()]
        out = subprocess.run(
            BY_HAND + [self.function] + words, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        answer = xmlrpc.client.loads(out)[0][0]
        try:
            self.machine.connect()
        except OSError:
            shell("systemctl restart xapi.service && systemctl start xapi-init-complete.target")
            self.machine.connect()
        return (
            (None, json.loads(answer["Value"]))
            if answer["Status"] == "Success"
            else (answer["ErrorDescription"], None)
        )

    def end_after(self, reply):
        """Return how things stand, with what the reply tells of them."""
        told = (
            {key: functools.reduce(dict.get, key.split("."), reply) for key in self.tells}
            if reply
            else None
        )
        return normalised([self.machine.state(), told])

    def judged(self, result, failures, reply):
        """Add what became of it to a result."""
        end = self.end_after(reply)
        if end != self.end:
            time.sleep(1)  # XAPI may be at work still for the one who died
            end = self.end_after(reply)
        return dict(result, failures=failures, **({} if end == self.end else {"end": end}))


class Recording:
    """While it lasts the plugin's steps are written down; death: (number, way), the step to die
    at.
    """

    def __init__(self, death=None):
        self.death = death

    def __enter__(self):
        os.mkdir(FOLDER)
        os.mkfifo(FOLDER + "/next")
        if self.death:
            with open(FOLDER + "/death", "w") as death_file:
                death_file.write("%d %s" % self.death)
        return self

    def __exit__(self, *_):
        shutil.rmtree(FOLDER)

    def disarm(self):
        os.unlink(FOLDER + "/death")

    def steps(self):
        with open(FOLDER + "/log") as log:
            return [json.loads(line) for line in log]

    def orphan(self):
        """Return the process that the plugin left behind, None for none."""
        try:
            with open(FOLDER + "/orphan") as orphan:
                return int(orphan.read())
        except FileNotFoundError:
            return None


def in_words(step):
    return ("%(kind)s %(what)s" % step).strip()


def until_done(call, calls_max):
    """Call until it succeeds; return (failures, reply), reply None if it never did."""
    failures = []
    while len(failures) < calls_max:
        failure, reply = call()
        if failure is None:
            return failures, reply
        failures.append(failure)
    return failures, None


def is_alive(process):
    return process is not None and os.path.exists("/proc/%d" % process)


def main():
    wish = json.load(sys.stdin)
    trials = Trials(Machine(wish["devices"]), wish)
    if "unfinished" in wish:
        trials.leave_unfinished(wish["unfinished"]["arguments"], wish["unfinished"]["step"])
    if "faults" in wish:
        results = [trials.with_faults(faults) for faults in wish["faults"]]
    else:
        results = [trials.kill_at(step, way) for step in trials.steps for way in step["ways"]]
    json.dump(
        {"steps": [in_words(step) for step in trials.steps], "end": trials.end, "trials": results},
        sys.stdout,
    )


if __name__ == "__main__":
    main()
