"""`xsraid export`: metrics in Prometheus' text format, once or at each HTTP request. The library
prometheus_client writes it, which dom0 lacks.
"""

from __future__ import absolute_import, unicode_literals

import importlib
import os
import threading

from xsraid_cli import formats, many
from xsraid_cli.export import metrics
from xsraid_cli.problems import DONE, FAILED, USAGE, Problem
from xsraid_cli.remote import fleet, inventory, pool
from xsraid_cli.remote.connecting import of_options
from xsraid_cli.table import commands

LIBRARY = "prometheus_client"
INSTALL = (
    "It is for workstations, with Python 3.8 or later: pip install '.[export]' in xsraid's source, "
    "or pip install %s." % LIBRARY
)
POOL_NAME = "local"  # what the label says where no pool is named
PORT_MAX = 65535


class Collector(object):
    """What prometheus_client calls for metrics, each time that it wants some. asked: a Fleet;
    names: of its pools; limit_s: for each host.
    """

    def __init__(self, library, asked, names, limit_s):
        self.library, self.asked, self.names, self.limit_s = library, asked, names, limit_s
        self.is_whole = True  # whether all answered the last time
        self._one_at_a_time = threading.Lock()

    def describe(self):
        """Nothing is asked of any host only to learn the names."""
        return []

    def collect(self):
        with self._one_at_a_time:
            answers = self.asked.ask(metrics.QUESTIONS, self.limit_s, commands.EXPORT.name)
        self.is_whole = not any(each.problem for each in answers)
        samples = metrics.of_answers(answers, self.names)
        for family in metrics.FAMILIES:
            gauge = self.library.core.GaugeMetricFamily(
                family.name, family.help, labels=family.labels
            )
            for labels, value in samples[family.name]:
                gauge.add_metric(labels, value)
            yield gauge


def export(command, options, out, err):
    """Write or serve the metrics of the hosts that the options name; return the exit status, 1
    where one of them did not answer. Raises Problem.
    """
    library = _library()
    place = _place(getattr(options, "listen", None))
    if place is not None and hasattr(options, "output"):
        raise Problem("--output and --listen exclude each other.", "Choose one.", USAGE)
    entries = _entries(options)
    asked = fleet.of_entries(entries, options, err)
    collector = Collector(
        library, asked, [entry.name for entry in entries], many.limit_s(command, options)
    )
    registry = library.CollectorRegistry()
    registry.register(collector)
    try:
        if place is not None:
            return _serve(library, registry, place, err)
        _write(library, registry, getattr(options, "output", None), out)
        return DONE if collector.is_whole else FAILED
    finally:
        many.close(asked)


def _entries(options):
    """Return the inventory.Entries to ask: all pools, or the one with all its hosts or the one that
    is named, or the host this runs on.
    """
    if getattr(options, "all", False):
        return inventory.load(getattr(options, "inventory", None))
    entry, host = of_options(options), getattr(options, "host", None)
    hosts = () if host in (None, commands.ALL) else (host,)
    if entry.address is None:
        pool.refuse_elsewhere()
        hosts = (None,) if host is None else hosts
    return [
        entry._replace(
            name=POOL_NAME if entry.address is None else entry.address.partition("://")[2],
            hosts=hosts,
        )
    ]


def _write(library, registry, path, out):
    """Write the metrics to a file, whole at any time, or to standard output."""
    if path is None:
        out.write(formats.unicode_text(library.generate_latest(registry)))
        return
    try:
        library.write_to_textfile(path, registry)
        os.chmod(path, 0o644)  # node_exporter is another user
    except EnvironmentError as error:
        raise Problem(
            "%s cannot be written: %s." % (path, error.strerror), "Its folder has to be there."
        )


def _serve(library, registry, place, err):
    """Answer requests until a signal ends it."""
    try:
        server, thread = library.start_http_server(place[1], place[0], registry)
    except EnvironmentError as error:
        raise Problem(
            "Nobody can listen on %s:%d: %s." % (place + (error.strerror or error,)),
            "Name another port.",
        )
    err.say("xsraid: serving http://%s:%d/metrics until Ctrl-C" % (place[0], server.server_port))
    while True:
        thread.join(1)


def _library():
    """Return the library, its `core` loaded. Raises Problem."""
    try:
        importlib.import_module(LIBRARY + ".core")
        return importlib.import_module(LIBRARY)
    except ImportError:
        raise Problem(
            "`xsraid export` needs the Python library %s, which is not here." % LIBRARY,
            INSTALL,
            USAGE,
        )


def _place(text):
    """Return (host, port) of [HOST:]PORT, of this machine alone where no host is given; None for
    None. Raises Problem.
    """
    if text is None:
        return None
    host, _, port = text.rpartition(":")
    if not port.isdigit() or int(port) > PORT_MAX:
        raise Problem(
            "%s is no place to listen on." % text,
            "It takes [HOST:]PORT, such as 9812 or 0.0.0.0:9812.",
            USAGE,
        )
    return host.strip("[]") or "127.0.0.1", int(port)
