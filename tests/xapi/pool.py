"""One XAPI as a whole: what the master of a pool is made of, and what a member is, which hands
nearly every call on to its master.
"""

import json
import os
import socket
import threading
import time
import traceback

from xapi import api_storage, hosts, liveness, model, played, releases, values, wire
from xapi.calls import Call, Dispatcher
from xapi.database import Database
from xapi.failure import Failure
from xapi.faults import Faults
from xapi.sessions import Sessions, read_users
from xapi.storage_manager import StorageManager

REGISTER_PATH = "/register"
# calls that a member answers itself (xapi's forwarding white list); all others are the master's
LOCAL_CALLS = ("session.slave_local_login_with_password", "session.local_logout")
REGISTER_RETRY_S = 0.5


def read_inventory(path):
    """Return the settings of an xensource-inventory as a dict: lines KEY='value'."""
    with open(path) as inventory:
        pairs = [line.strip().split("=", 1) for line in inventory if "=" in line]
    return {key: value.strip("'\"") for key, value in pairs}


class Xapi:
    """Common to master and member. options: of server.py; log: called with each line for the
    log.
    """

    def __init__(self, options, log):
        inventory = read_inventory(options.inventory)
        self.log, self.options = log, options
        self.host_uuid = inventory["INSTALLATION_UUID"]
        self.product_version = options.version or inventory.get("PRODUCT_VERSION", "8.3.0")
        self.release = releases.release_of(self.product_version)
        self.faults = Faults(options.faults)
        wipefs = releases.rank(self.release) > releases.rank("stockholm_psr")
        root_device = (
            os.path.realpath(inventory["PRIMARY_DISK"]) if "PRIMARY_DISK" in inventory else ""
        )
        self.local = hosts.LocalHost(
            options.plugins, StorageManager(self.faults, log, root_device, wipefs), log
        )
        self.database = Database(None if options.master else options.state)
        self.sessions = Sessions(self.database, read_users(options.users, options.password_file))
        self.dispatcher = Dispatcher(self)
        self.host = values.NULL
        self.has_database = threading.Event()

    def description(self):
        """Return what the master must know of this host."""
        name = self.options.name or socket.gethostname()
        return {
            "uuid": self.host_uuid,
            "name_label": name,
            "hostname": name,
            "software_version": {
                "product_version": self.product_version,
                "product_brand": "XCP-ng",
            },
        }

    def log_call(self, method, message, arguments):
        """Log a call. Arguments are left out but a plugin's, whose keys are shown, or as in 7.x and
        8.0 with --log-arguments its values too.
        """
        text = method
        if message.name == "host.call_plugin":
            shown = [
                "%s=%s" % (key, value if self.options.log_arguments else "(omitted)")
                for key, value in arguments[3]
            ]
            text = "%s host=%s plugin=%s fn=%s args=[ %s ]" % (
                method,
                arguments[0],
                arguments[1],
                arguments[2],
                "; ".join(shown),
            )
        if ".get_" not in message.name and message.cls != "event":
            self.log("dispatch: " + text)

    def reply(self, body, origin):
        """Return the reply to a methodCall in bytes. Raises wire.ParseError."""
        method, params = wire.parse_call(body)
        return self.reply_to(method, params, origin)

    def reply_to(self, method, params, origin):
        try:
            return wire.render_success(self.dispatcher.dispatch(method, params, origin))
        except Failure as failure:
            self.log("%s failed: %s" % (method, "; ".join(failure.description)[:500]))
            return wire.render_failure(failure.description)
        except Exception as error:  # noqa: BLE001 a bug of the simulation reaches the client as xapi's own do
            self.log(traceback.format_exc())
            return wire.render_failure(["INTERNAL_ERROR", repr(error)])

    def internal(self, body):
        """Answer another server of the pool."""
        return json.dumps(hosts.answer(self.local, json.loads(body))).encode()


class Master(Xapi):
    """The master, or the only host: it has the database. played: the members that its own process
    plays, by uuid.
    """

    def __init__(self, options, log):
        super().__init__(options, log)
        self.address, self.played = "", {}
        self.liveness = liveness.Liveness(self.database, options.assumed_dead)

    def start(self, address):
        """Bring the database up to date with this host and plug its PBDs; address: "HOST:PORT" that
        members reach it at, or "".
        """
        database, self.address = self.database, address
        with database.lock:
            self.host = self._keep_host(self.description(), address)
            if not database.all("pool"):
                self._create_pool_objects()
            database.write("pool", database.all("pool")[0], master=self.host)
        self.plug_all(self.host)
        self.liveness.watch()
        self.has_database.set()

    def play(self, member):
        """Play one more member, of played.read_members and with its "address"; return what is to
        listen for it.
        """
        description = dict(
            self.description(),
            uuid=member["uuid"],
            name_label=member["name"],
            hostname=member["name"],
        )
        local = hosts.LocalHost(member["plugins"], self.local.storage_manager, self.log)
        with self.database.lock:
            host = self.played[member["uuid"]] = played.PlayedHost(
                local, self._keep_host(description, member["address"])
            )
        return played.Frontend(self, member["uuid"], host)

    def befall(self, body):
        """Take a played member's new fate from a test: JSON {"host": uuid, "fate", "delay_s"}."""
        question = json.loads(body)
        host = self.played[question["host"]]
        self.liveness.set(host.ref, question["fate"] != "offline")
        host.befall(question["fate"], question["delay_s"])
        return b"{}"

    def _create_pool_objects(self):
        for role in model.ROLES:
            self.database.create("role", name_label=role)
        for sr_type in api_storage.TYPES:
            self.database.create(
                "SM",
                type=sr_type,
                name_label="Local %s" % sr_type,
                version="1.0",
                required_api_version="1.0",
                driver_filename="/opt/xensource/sm/%sSR" % sr_type.upper(),
                configuration={"device": "local device path (required) (e.g. /dev/sda3)"},
                capabilities=[
                    "SR_PROBE",
                    "SR_UPDATE",
                    "VDI_CREATE",
                    "VDI_DELETE",
                    "VDI_ATTACH",
                    "VDI_DETACH",
                ],
            )
        self.database.create("pool", name_label="")

    def _keep_host(self, description, address):
        database = self.database
        known = database.where("host", uuid=description["uuid"])
        if not known:
            metrics = database.create(
                "host_metrics", live=True, last_updated=values.now(), memory_total=8 << 30
            )
            known = [database.create("host", metrics=metrics, enabled=True, **description)]
            domain = database.create(
                "VM",
                name_label="Control domain on host: %s" % description["name_label"],
                is_control_domain=True,
                resident_on=known[0],
                power_state="Running",
            )
            database.write("host", known[0], control_domain=domain)
        database.addresses[description["uuid"]] = address
        database.write(
            "host",
            known[0],
            address=address.rsplit(":", 1)[0],
            software_version=description["software_version"],
        )
        return known[0]

    def register(self, body):
        """Take a member in, or learn that it has started again; its PBDs are plugged once it has
        had its answer.
        """
        question = json.loads(body)
        with self.database.lock:
            host = self._keep_host(question["description"], question["address"])
            self.liveness.heard(host)
        threading.Thread(target=self.plug_all, args=(host,), daemon=True).start()
        return b"{}"

    def heartbeat(self, body):
        self.liveness.heard(self.database.by_uuid("host", body.decode()))
        return b"{}"

    def plug_all(self, host):
        api_storage.plug_all(Call(self, None, None, "unix"), host)

    def host_of(self, origin):
        """Return the ref of the host that a call's session belongs to."""
        return self.host if origin in ("unix", "tcp") else self.database.by_uuid("host", origin)

    def runner(self, host):
        """Return the LocalHost, RemoteHost or PlayedHost behind a host ref. Raises HOST_OFFLINE for
        one that is held for dead.
        """
        uuid = self.database.read("host", host, "uuid")
        if uuid == self.host_uuid:
            return self.local
        if not self.liveness.is_live(host):
            raise Failure("HOST_OFFLINE", host)
        attempts, pause_s = self.options.contact_attempts, self.options.contact_pause
        return self.played.get(uuid) or hosts.RemoteHost(
            self.database.addresses[uuid], host, attempts, pause_s
        )


class Member(Xapi):
    """A member: its master is at options.master, and the database with it, once it has registered
    there.
    """

    def start(self, address):
        """Register with the master, in the background and for as long as it takes, and send it
        heartbeats from then on.
        """
        question = json.dumps({"description": self.description(), "address": address}).encode()
        threading.Thread(target=self._register, args=(question,), daemon=True).start()

    def _register(self, question):
        while not self.has_database.is_set():
            try:
                hosts.post(self.options.master, REGISTER_PATH, question)
                self.has_database.set()
            except OSError as error:
                self.log("the master does not answer yet: %s" % error)
                time.sleep(REGISTER_RETRY_S)
        liveness.beat(self.options.master, self.host_uuid, self.log)

    def host_of(self, origin):
        return self.host

    def reply(self, body, origin):
        method, params = wire.parse_call(body)
        if method in LOCAL_CALLS:
            return self.reply_to(method, params, origin)
        if origin == "tcp" and method == "session.login_with_password":
            return played.is_slave(self.options.master)
        if not self.has_database.is_set():
            return wire.render_failure(["HOST_STILL_BOOTING"])
        try:
            return hosts.post(
                self.options.master, "/", body, self.host_uuid if origin == "unix" else "tcp"
            )
        except OSError as error:
            self.log("the master does not answer: %s" % error)
            return wire.render_failure(["HOST_IN_EMERGENCY_MODE"])
