"""Notes on what is being done to this host, in /var/lib/xsraid: written before it is done, so that
a later call or boot finishes it or takes it back.

A note is a small file of JSON, `KIND-KEY`. KIND: `creating`, `deleting`, `deleted`, `growing` and
`reshaped` (an array), `registering` (an SR on an array), with the array's uuid as KEY;
`identifying` (a LED that is on), with 32 random digits; `alarms`, `alerts`, `boot`, `care`,
`diverged`, `mail_login`, `names`, `ran_from`, `tasks` and `webhook` have no KEY.
"""

from __future__ import absolute_import

import json
import re

from xsraid.host.files import STATE_DIR
from xsraid.text import bare_uuid, natively


def write(host, kind, facts, uuid=""):
    """Write a note, on disk when this returns. facts: a dict that JSON can hold. Raises
    CommandFailed.
    """
    host.replace(path(kind, uuid), json.dumps(facts, sort_keys=True) + "\n", 0o600)


def read(host, kind, uuid=""):
    """Return a note's facts, None when there is none. One that cannot be understood has no facts:
    {}.
    """
    text = host.read_if_there(path(kind, uuid))
    if text is None:
        return None
    try:
        facts = json.loads(text)
    except ValueError:
        return {}
    return natively(facts) if isinstance(facts, dict) else {}


def remove(host, kind, uuid=""):
    """Remove a note if there is one."""
    host.remove(path(kind, uuid))


def uuids(host, kind):
    """Return the 32 digits that are the keys of all notes of a kind."""
    return [
        name[-32:] for name in host.names(STATE_DIR) if re.match(kind + r"-[0-9a-f]{32}\Z", name)
    ]


def path(kind, uuid=""):
    """Return the path of a note."""
    return "%s/%s%s" % (STATE_DIR, kind, "-" + bare_uuid(uuid) if uuid else "")
