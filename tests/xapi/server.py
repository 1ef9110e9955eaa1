"""The server of the simulated XAPI: XML-RPC over a unix socket and TCP.

    python3 -m xapi.server --socket /var/lib/xcp/xapi --tcp 127.0.0.1:80 --state
      /var/lib/xapi/state.json

--master HOST:PORT makes it a member of the pool whose master is served there; --members FILE makes
it play members of its own pool, too. Once it
takes calls it prints one line on standard output: JSON with its addresses (port 0 is replaced by
the one chosen) and the host's uuid. The same goes to the file --ready, and a systemd unit of
Type=notify is told, once it has its database: a member not before its master has taken it in.
Faults for tests: see faults.py.
"""

import argparse
import http.server
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time

from xapi import hosts, wire
from xapi.liveness import ASSUMED_DEAD_S, HEARTBEAT_PATH
from xapi.played import BEFALL_PATH, read_members
from xapi.pool import REGISTER_PATH, Master, Member

BODY_LIMIT_BYTES = 300 * 1024  # constants.ml, http_limit_max_rpc_size
# what servers of a pool, and a test, say to each other → the method that answers
POOL_PATHS = {
    hosts.INTERNAL_PATH: "internal",
    REGISTER_PATH: "register",
    HEARTBEAT_PATH: "heartbeat",
    BEFALL_PATH: "befall",
}
SHUTDOWN_POLL_S = 3600  # nobody shuts a server down, the process ends with all of them


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection; server.xapi answers."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave together

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        from_pool = self.headers.get(hosts.SECRET_HEADER) == hosts.POOL_SECRET
        if length > BODY_LIMIT_BYTES and not from_pool:
            self._send(413, b"")
            self.close_connection = True
            return
        body = self.rfile.read(length)
        try:
            self._send(200, self._answer(body, from_pool))
        except wire.ParseError as error:
            self._send(500, str(error).encode())

    def _answer(self, body, from_pool):
        xapi = self.server.xapi
        if from_pool and self.path in POOL_PATHS:
            return getattr(xapi, POOL_PATHS[self.path])(body)
        return xapi.reply(
            body,
            self.headers.get(hosts.ORIGIN_HEADER) or "tcp" if from_pool else self.server.origin,
        )

    def _send(self, status, body):
        self.send_response(status)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, template, *arguments):
        pass  # xapi logs calls, not requests

    def address_string(self):
        return self.server.origin


class TcpServer(socketserver.ThreadingTCPServer):
    origin = "tcp"
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass  # a client that went away


class UnixServer(socketserver.ThreadingUnixStreamServer):
    origin = "unix"
    daemon_threads = True
    request_queue_size = 100

    def handle_error(self, request, client_address):
        pass


def logger(path):
    """Return a function that writes a line with its time to the file path, or to standard error."""
    stream = open(path, "a", buffering=1) if path else sys.stderr

    def log(line):
        stream.write("%s xapi: %s\n" % (time.strftime("%b %d %H:%M:%S"), line))
        stream.flush()

    return log


def listen(options):
    """Return the listening servers, those on TCP first. A socket file left by an earlier server is
    replaced.
    """
    servers = []
    for address in options.tcp:
        host, _, port = address.rpartition(":")
        servers.append(TcpServer((host, int(port)), Handler))
    if options.socket:
        servers.append(listen_on_socket(options.socket))
    return servers


def listen_on_socket(path):
    if os.path.exists(path):
        os.unlink(path)
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    server = UnixServer(path, Handler)
    os.chmod(path, 0o600)
    return server


def serve(servers, xapi):
    """Let servers take calls, each in a thread of its own."""
    for server in servers:
        server.xapi = xapi
        threading.Thread(target=server.serve_forever, args=(SHUTDOWN_POLL_S,), daemon=True).start()


def play_members(master, path):
    """Play the members of a file, each at its own IP address and at the port of the master;
    addresses come out in the file's order.
    """
    port = int(master.address.rpartition(":")[2])
    for number, member in enumerate(read_members(path)):
        ip = "127.0.1.%d" % (number + 1)
        servers = [TcpServer((ip, port), Handler)] + (
            [listen_on_socket(member["socket"])] if member["socket"] else []
        )
        serve(servers, master.play(dict(member, address="%s:%d" % (ip, port))))


def announce(options, line):
    """Tell that it is ready: in the file --ready, to systemd."""
    if options.ready:
        with open(options.ready + ".new", "w") as ready_file:
            ready_file.write(line + "\n")
        os.rename(options.ready + ".new", options.ready)
    if os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.connect(os.environ["NOTIFY_SOCKET"].replace("@", "\0", 1))
            notify.sendall(b"READY=1")


def parser():
    arguments = argparse.ArgumentParser(prog="xapi.server", description="The simulated XAPI.")
    add = arguments.add_argument
    add("--socket", metavar="FILE", help="the unix socket; whoever can open it is root")
    add(
        "--tcp",
        metavar="HOST:PORT",
        action="append",
        default=[],
        help="an address on TCP; may be given several times, port 0 takes a free one",
    )
    add(
        "--state",
        metavar="FILE",
        help="the database, JSON; without it everything is lost when the server ends",
    )
    add(
        "--plugins",
        metavar="DIR",
        default="/etc/xapi.d/plugins",
        help="the host plugins (%(default)s)",
    )
    add(
        "--inventory",
        metavar="FILE",
        default="/etc/xensource-inventory",
        help="has INSTALLATION_UUID and PRODUCT_VERSION (%(default)s)",
    )
    add(
        "--version",
        metavar="RELEASE",
        help="product version (8.2) or xapi's name (stockholm) to simulate; default: the "
        "inventory's PRODUCT_VERSION",
    )
    add("--name", help="name of this host; default: its host name")
    add("--master", metavar="HOST:PORT", help="be a member of the pool of this master")
    add("--members", metavar="FILE", help="play these members, too: see played.py; needs a --tcp")
    add(
        "--contact-attempts",
        type=int,
        default=1,
        help="how often the master tries to connect to a member; real xapi: 10 (%(default)s)",
    )
    add(
        "--contact-pause",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="its pause after an attempt that failed (%(default)s)",
    )
    add(
        "--assumed-dead",
        type=float,
        default=ASSUMED_DEAD_S,
        metavar="SECONDS",
        help="of a member's silence (%(default)s)",
    )
    add(
        "--address",
        metavar="HOST:PORT",
        help="where the pool reaches this server; default: its first --tcp",
    )
    add(
        "--password-file",
        metavar="FILE",
        help="root's password on TCP; without it root cannot log in there",
    )
    add(
        "--users",
        metavar="FILE",
        help='more users on TCP, JSON: {"alice": {"password": "…", "role": "read-only"}}',
    )
    add("--faults", metavar="DIR", help="folder of fault switches, see faults.py")
    add("--ready", metavar="FILE", help="file to write once it is ready")
    add("--log", metavar="FILE", help="log file; default: standard error")
    add(
        "--log-arguments",
        action="store_true",
        help="log the arguments of plugins in clear, as 7.x and 8.0 do",
    )
    return arguments


def main(arguments=None):
    options = parser().parse_args(arguments)
    log = logger(options.log)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    servers = listen(options)
    addresses = ["%s:%d" % server.server_address for server in servers if server.origin == "tcp"]
    xapi = (Member if options.master else Master)(options, log)
    serve(servers, xapi)
    xapi.start(options.address or (addresses[0] if addresses else ""))
    if options.members:
        play_members(xapi, options.members)
    line = json.dumps({"socket": options.socket, "tcp": addresses, "host_uuid": xapi.host_uuid})
    print(line, flush=True)
    xapi.has_database.wait()
    announce(options, line)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
