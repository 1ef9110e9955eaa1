"""The pool's database: tables of records, written to one JSON file after each change so that it
outlives a kill and a power cut.

Sessions and tasks live in memory only. Whoever needs several reads or writes to be one step holds
`lock`.
"""

import json
import os
import threading
import uuid as uuids

from xapi import model, values
from xapi.failure import Failure

VOLATILE = ("session", "task")
# (class, field) → the class and field that point back: kept in one place, computed for the other
BACK_REFERENCES = {
    ("SR", "PBDs"): ("PBD", "SR"),
    ("host", "PBDs"): ("PBD", "host"),
    ("SR", "VDIs"): ("VDI", "SR"),
    ("host", "resident_VMs"): ("VM", "resident_on"),
    ("task", "subtasks"): ("task", "subtask_of"),
}


class Database:
    """Tables {class: {ref: record}}; path: the state file, or None to keep everything in memory."""

    def __init__(self, path=None):
        self.path = path
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.classes = model.classes()
        self.tables = {cls: {} for cls in self.classes}
        self.addresses = {}  # host uuid → "HOST:PORT" of its server
        self.generation = 0
        self.events = []  # (generation, class, operation, ref)
        if path and os.path.exists(path):
            self._load()

    def _load(self):
        with open(self.path) as state_file:
            state = json.load(state_file)
        self.generation, self.addresses = state["generation"], state["addresses"]
        for cls, rows in state["tables"].items():
            for ref, record in rows.items():
                self.tables[cls][ref] = dict(self._blank(cls), **record)

    def _blank(self, cls):
        return {name: values.default(field.type) for name, field in self.classes[cls].items()}

    def save(self):
        """Write the state file aside, sync it and rename it."""
        if not self.path:
            return
        state = {
            "generation": self.generation,
            "addresses": self.addresses,
            "tables": {cls: rows for cls, rows in self.tables.items() if cls not in VOLATILE},
        }
        aside = self.path + ".new"
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as state_file:
            json.dump(state, state_file, indent=1)
            state_file.flush()
            os.fsync(state_file.fileno())
        os.rename(aside, self.path)

    def _note(self, cls, operation, ref):
        self.generation += 1
        self.events = self.events[-9999:] + [(self.generation, cls, operation, ref)]
        if cls not in VOLATILE:
            self.save()
        self.changed.notify_all()

    def create(self, cls, /, **fields):
        """Add a record and return its ref; a uuid is made where none is given."""
        with self.lock:
            ref = "OpaqueRef:%s" % uuids.uuid4()
            self.tables[cls][ref] = dict(
                self._blank(cls), **dict({"uuid": str(uuids.uuid4())}, **fields)
            )
            self._note(cls, "add", ref)
            return ref

    def destroy(self, cls, ref):
        with self.lock:
            self.get(cls, ref)
            del self.tables[cls][ref]
            self._note(cls, "del", ref)

    def get(self, cls, ref):
        """Return the record itself, without computed fields. Raises HANDLE_INVALID."""
        with self.lock:
            if ref not in self.tables[cls]:
                raise Failure("HANDLE_INVALID", cls, ref)
            return self.tables[cls][ref]

    def read(self, cls, ref, field):
        with self.lock:
            record = self.get(cls, ref)
            back = BACK_REFERENCES.get((cls, field))
            if back:
                return [other for other, row in self.tables[back[0]].items() if row[back[1]] == ref]
            return record[field]

    def write(self, cls, ref, /, **fields):
        with self.lock:
            self.get(cls, ref).update(fields)
            self._note(cls, "mod", ref)

    def record(self, cls, ref):
        """Return a copy of the record with its computed fields, as it goes on the wire."""
        with self.lock:
            self.get(cls, ref)
            return {
                name: values.to_wire(field.type, self.read(cls, ref, name))
                for name, field in self.classes[cls].items()
            }

    def all(self, cls):
        with self.lock:
            return list(self.tables[cls])

    def where(self, cls, /, **fields):
        """Return the refs of the records whose fields have these values."""
        with self.lock:
            return [
                ref
                for ref, row in self.tables[cls].items()
                if all(row[name] == value for name, value in fields.items())
            ]

    def by_uuid(self, cls, uuid):
        """Return the ref of a record. Raises UUID_INVALID."""
        found = self.where(cls, uuid=uuid)
        if not found:
            raise Failure("UUID_INVALID", cls, uuid)
        return found[0]
