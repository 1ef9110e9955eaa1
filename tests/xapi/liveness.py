"""Which members the master holds for alive: each tells it every now and then that it is; one that
was not heard of for long is held for dead.

As db_gc.ml does it without HA; what befalls a dead host's VMs is not here.
"""

import threading
import time

from xapi import hosts

HEARTBEAT_PATH = "/heartbeat"
HEARTBEAT_S, ASSUMED_DEAD_S = 30.0, 600.0  # xapi_globs.ml
LOOKS = 10  # at the clocks, while one runs out


class Liveness:
    """Keeps host_metrics.live in the database. assumed_dead_s: how long a member may be silent."""

    def __init__(self, database, assumed_dead_s):
        self.database, self.assumed_dead_s = database, assumed_dead_s
        self.heard_s = {}  # host ref → when, by the monotonic clock

    def heard(self, host):
        """Note that a member is alive."""
        with self.database.lock:
            self.heard_s[host] = time.monotonic()
            self.set(host, True)

    def set(self, host, live):
        metrics = self.database.read("host", host, "metrics")
        if self.database.read("host_metrics", metrics, "live") != live:
            self.database.write("host_metrics", metrics, live=live)

    def is_live(self, host):
        return self.database.read(
            "host_metrics", self.database.read("host", host, "metrics"), "live"
        )

    def watch(self):
        """Look at the clocks for ever, in a thread of its own."""
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self):
        while True:
            time.sleep(self.assumed_dead_s / LOOKS)
            with self.database.lock:
                for host, heard_s in self.heard_s.items():
                    if time.monotonic() - heard_s > self.assumed_dead_s:
                        self.set(host, False)


def beat(master_address, host_uuid, log):
    """Tell the master for ever that this member is alive."""
    while True:
        time.sleep(HEARTBEAT_S)
        try:
            hosts.post(master_address, HEARTBEAT_PATH, host_uuid.encode())
        except OSError as error:
            log("no heartbeat reached the master: %s" % error)
