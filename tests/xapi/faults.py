"""Faults on demand: files in a folder that make a named step slow, fail or fatal.

A step is a method ("SR.create"; an asynchronous call has the same name), an operation of the
storage manager on the host that carries it out ("sm.sr_create", "sm.sr_attach", "sm.sr_detach",
"sm.sr_delete", "sm.sr_scan", "sm.sr_probe") or one command of it ("sm.run.vgcreate").

    STEP.delay         text: seconds to wait before the step
    STEP.delay-after   text: seconds to wait after it took effect, before the reply
    STEP.fail          a failure instead of the step: first line the code, each further line a
                       parameter; for a command: its exit status
    STEP.fail-after    the same, after the step took effect
    STEP.die           the server dies on the spot, before the step
    STEP.die-after     the same, after it took effect and before the reply

A .die file is removed before it acts, so that a server started again lives; the others act until
somebody removes them, or once when their name ends in ".once" (SR.create.fail.once).
"""

import os
import time

from xapi.failure import Failure

EXIT_STATUS = 137  # as if killed by SIGKILL


class Faults:
    """folder: where the files are, or None for no faults at all."""

    def __init__(self, folder=None):
        self.folder = folder

    def before(self, step):
        self._act(step, "")

    def after(self, step):
        self._act(step, "-after")

    def exit_status(self, step):
        """Return the exit status that STEP.fail wants a command to have, or None; waits and dies as
        the other files say.
        """
        try:
            self.before(step)
        except Failure as failure:
            return int(failure.code)
        return None

    def _act(self, step, when):
        if not self.folder:
            return
        delay_s = self._take("%s.delay%s" % (step, when))
        if delay_s is not None:
            time.sleep(float(delay_s))
        if self._take("%s.die%s" % (step, when), always_remove=True) is not None:
            os._exit(EXIT_STATUS)
        failure = self._take("%s.fail%s" % (step, when))
        if failure is not None:
            raise Failure(*failure.strip().splitlines())

    def _take(self, name, always_remove=False):
        """Return the text of a fault file, or None; one that acts once is removed."""
        for path, once in (
            (os.path.join(self.folder, name), always_remove),
            (os.path.join(self.folder, name + ".once"), True),
        ):
            try:
                with open(path) as fault_file:
                    text = fault_file.read()
            except FileNotFoundError:
                continue
            if once:
                self._remove(path)
            return text
        return None

    def _remove(self, path):
        os.unlink(path)
        folder = os.open(self.folder, os.O_RDONLY)
        os.fsync(folder)  # or a power cut right after could bring a .die back
        os.close(folder)
