"""Who is calling: logging in, the session of a call, and what its role may do."""

import json
import uuid as uuids

from xapi import values
from xapi.failure import Failure

SUPERUSER = "pool-admin"


class Sessions:
    """users: {name: {"password": text, "role": name of a role}}; they count on TCP only. On the
    unix socket everybody is root, as in xapi.
    """

    def __init__(self, database, users):
        self.database = database
        self.users = users
        self.local = set()  # refs of slave_local_login_with_password, good for local_logout only

    def login(self, name, password, trusted, host, originator=""):
        """Return a new session. trusted: the call came over the unix socket or from a member's;
        host: the ref that this_host will be.
        """
        user = self._authenticated(name, password, trusted)
        superuser = trusted or name == "root"
        return self.create(
            host,
            SUPERUSER if superuser else user["role"],
            name,
            originator,
            is_local_superuser=superuser,
            auth_user_sid="" if superuser else "sid-of-" + name,
        )

    def _authenticated(self, name, password, trusted):
        user = self.users.get(name)
        if not trusted and (user is None or user["password"] != password):
            raise Failure("SESSION_AUTHENTICATION_FAILED", name, "Authentication failure")
        return user

    def login_locally(self, name, password, trusted):
        """Return a session that only this host knows, master or not."""
        self._authenticated(name, password, trusted)
        ref = "OpaqueRef:%s" % uuids.uuid4()
        self.local.add(ref)
        return ref

    def create(self, host, role=SUPERUSER, name="", originator="", **fields):
        """Return a new session of a role, for someone whose name has been checked."""
        now = values.now()
        return self.database.create(
            "session",
            this_host=host,
            auth_user_name=name,
            originator=originator,
            last_active=now,
            validation_time=now,
            _role=role,
            **fields,
        )

    def check(self, ref):
        """Return the record of a session. Raises SESSION_INVALID."""
        try:
            record = self.database.get("session", ref)
        except Failure:
            raise Failure("SESSION_INVALID", ref) from None
        record["last_active"] = values.now()
        return record

    def authorise(self, ref, message):
        """Raise RBAC_PERMISSION_DENIED unless the session's role may call message."""
        if self.check(ref)["_role"] not in message.roles:
            raise denied(message.name.lower(), message.roles)

    def destroy(self, ref):
        self.check(ref)
        self.database.destroy("session", ref)


def denied(permission, roles):
    """Return the Failure of a session whose role is none of roles."""
    return Failure(
        "RBAC_PERMISSION_DENIED",
        permission,
        "No permission in user session. (Roles with this permission: %s)"
        % ", ".join(sorted(roles)),
    )


def read_users(users_path=None, password_path=None):
    """Return the users for TCP: a JSON file {name: {"password", "role"}} and, in a file of its own,
    root's password (first line).
    """
    users = {}
    if users_path:
        with open(users_path) as users_file:
            users = json.load(users_file)
    if password_path:
        with open(password_path) as password_file:
            users["root"] = {"password": password_file.readline().rstrip("\n"), "role": SUPERUSER}
    return users
