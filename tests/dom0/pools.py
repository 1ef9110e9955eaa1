"""Three miniature dom0s on a network of their own, as one pool: a master and two members. Neither
this machine nor any other is on that network.
"""

import concurrent.futures
import os
import subprocess
import time

from tests.dom0 import slots
from tests.dom0.dom0 import BUILD, WORK, Dom0, NotBuilt

MASTER_ADDRESS = "10.0.0.1"
START_S = 10
KERNEL = "old"  # the young one has no network that a switch on this machine could carry


class Network:
    """A switch that guests are plugged into; it must be there before they are. socket: where it is
    to listen.
    """

    def __init__(self, socket):
        self.socket, self._process = socket, None

    def start(self):
        """Start uml_switch, which ends with the thread that did; in the main thread, as guests
        are.
        """
        program = BUILD + "/root/usr/bin/uml_switch"
        if not os.path.exists(program):
            raise NotBuilt(f"{program} is missing: `make demo` makes it")
        self._process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", program, "-unix", self.socket],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while not os.path.exists(self.socket):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("uml_switch did not start")
            time.sleep(0.01)

    def plug(self, number):
        """Return the words for guest/init and the kernel of a dom0 that has the address
        10.0.0.NUMBER; the first is the others' master.
        """
        words = {
            "eth0": f"daemon,52:54:00:00:00:{number:02x},unix,{self.socket}",
            "ADDRESS": f"10.0.0.{number}",
        }
        return {**words, "MASTER": MASTER_ADDRESS} if words["ADDRESS"] != MASTER_ADDRESS else words

    def stop(self):
        if self._process:
            self._process.kill()
            self._process.wait()


class Pool:
    """master, a and b: the Dom0s, each with two disks that no other has. Use it in a `with`
    statement, in the main thread.
    """

    def __init__(self, python):
        self.all = self.master, self.a, self.b = [
            Dom0(python, disks=(name + "0", name + "1"), name=name, kernel=KERNEL)
            for name in ("master", "a", "b")
        ]
        self._network, self._slots = None, []

    def __enter__(self):
        try:
            return self._start()
        except BaseException as error:
            for dom0 in self.all:
                if dom0.guest:
                    error.add_note(f"console of {dom0.name}:\n{dom0.console()[-2000:]}")
            self.close()
            raise

    def __exit__(self, *_error):
        self.close()

    def _start(self):
        self._slots = slots.take_together(WORK, len(self.all))
        self._network = Network(self._slots[0].folder + "/switch")
        self._network.start()
        for number, (dom0, slot) in enumerate(zip(self.all, self._slots, strict=True), 1):
            dom0.furnish(slot)
            dom0.plug = self._network.plug(number)
            dom0.power_on()
        with concurrent.futures.ThreadPoolExecutor() as threads:
            list(threads.map(_finish, self.all))
        return self

    def close(self):
        """End the guests and then the switch, and delete everything of them."""
        for dom0 in self.all:
            dom0.close()
        for slot in self._slots:  # also one that no guest has got yet
            slot.release()
        if self._network:
            self._network.stop()


def _finish(dom0):
    dom0.wait_until_up()
    dom0.install()
