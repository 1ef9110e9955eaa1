"""The system's own faults, each played in one way with pytest-mock: a call of the system that
fails, a clock that is set, time that flies.

What takes the place of a call is of the system, never of what is tested. The first argument of each
is the fixture `mocker`, which ends it.
"""

import os
import time

from xsraid.host import clock

REAL_READ = os.read  # a fault that is played anew takes the place of the one before


def resolve(call):
    """Return the real function behind a name such as `os.fsync`."""
    module, _, name = call.rpartition(".")
    return getattr({"os": os, "time": time}[module], name)


def fails(mocker, call, number, is_meant=lambda *arguments: True):
    """Have a call of the system fail with an error number where is_meant(its arguments); return the
    mock, which counts all calls.

    call: a name such as `os.fsync`; number: of `errno`.
    """
    real = resolve(call)

    def play(*arguments, **more):
        if is_meant(*arguments):
            raise OSError(number, os.strerror(number))
        return real(*arguments, **more)

    return mocker.patch(call, side_effect=play)


def clock_is_set(mocker, step_s):
    """Have somebody set the system's clock by step_s before each look at it but the first. What
    counts evenly goes on as it does.
    """
    real, steps = time.time, []

    def look():
        steps.append(step_s)
        return real() + sum(steps[1:])

    return mocker.patch("time.time", side_effect=look)


def clock_shows(mocker, seconds):
    """Have the system's clock show a time and stand still."""
    return mocker.patch("time.time", return_value=seconds)


def time_flies(mocker, at_sleep=lambda seconds: None):
    """Have what is slept pass at once, by all clocks; return [seconds slept]. at_sleep: called with
    the seconds before they pass.
    """
    slept, real_sleep, started, began = [], time.sleep, time.time(), clock.monotonic_s()

    def sleep(seconds):
        at_sleep(seconds)
        slept.append(seconds)
        real_sleep(0.001)

    mocker.patch("time.sleep", side_effect=sleep)
    mocker.patch("time.time", side_effect=lambda: started + sum(slept))
    mocker.patch("xsraid.host.clock.monotonic_s", side_effect=lambda: began + sum(slept))
    return slept


class Reads(object):
    """Reads of files that fail: `when(path, count)` says of each read of a path, counted from 0 by
    all reads, with what error number, None for none.

    As the kernel's md does: opening succeeds, reading fails. calls: the paths that were read.
    """

    def __init__(self, mocker, when):
        self.calls, self._when = [], when
        mocker.patch("os.read", side_effect=self._read)

    def _read(self, descriptor, count):
        path = os.readlink("/proc/self/fd/%d" % descriptor)
        self.calls.append(path)
        number = self._when(path, len(self.calls) - 1)
        if number:
            raise OSError(number, os.strerror(number))
        return REAL_READ(descriptor, count)
