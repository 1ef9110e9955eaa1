"""A secret that the command makes lives exactly as long as settings name it."""

import argparse
import json

import pytest
import XenAPI

from xsraid_cli.remote import secret
from xsraid_cli.table import commands


class Secrets(object):
    """XAPI's secrets: {reference: {"uuid", "value", "other_config"}}."""

    def __init__(self):
        self.kept = {}

    def create(self, record):
        ref = "ref%d" % len(self.kept)
        self.kept[ref] = dict(record, uuid="uuid-" + ref)
        return ref

    def get_uuid(self, ref):
        return self.kept[ref]["uuid"]

    def get_other_config(self, ref):
        return self.kept[ref]["other_config"]

    def get_by_uuid(self, uuid):
        for ref, record in self.kept.items():
            if record["uuid"] == uuid:
                return ref
        raise XenAPI.Failure(["UUID_INVALID", "secret", uuid])

    def destroy(self, ref):
        del self.kept[ref]

    def uuids(self):
        return sorted(record["uuid"] for record in self.kept.values())


class Pool(object):
    """A pool of one host whose other_config can be set; it is its own session and XAPI."""

    def __init__(self):
        self.session = self.xenapi = self
        self.secret, self.configs = Secrets(), {"pool": {}, "host": {}}
        self.pool, self.host = [
            argparse.Namespace(
                get_all_records=lambda name=name: {"ref": {"other_config": self.configs[name]}}
            )
            for name in ("pool", "host")
        ]

    def keeps(self, scope, **settings):
        self.configs[scope] = {"xsraid-alerts": json.dumps(settings)}


@pytest.fixture
def pool():
    return Pool()


@pytest.fixture
def given(mocker):
    mocker.patch("xsraid_cli.remote.passwords.from_descriptor", return_value="hunter2")
    return {"smtp_user": "u"}


def call(pool, given, act):
    command = next(
        command for command in commands.table() if command.function.name == "configure_alerts"
    )
    return secret.with_secrets(pool, command, given, argparse.Namespace(smtp_password_fd=0), act)


def takes(pool, scope="host"):
    def act(arguments):
        pool.keeps(scope, smtp_password_secret=arguments["smtp_password_secret"])
        return "done"

    return act


@pytest.mark.parametrize("scope", ["host", "pool"])
def test_the_last_secret_goes_when_the_next_one_is_in_use(pool, given, scope):
    first = pool.secret.create({"value": "old", "other_config": {"xsraid": "true"}})
    pool.keeps(scope, smtp_password_secret=pool.secret.get_uuid(first))
    assert call(pool, given, takes(pool, scope)) == "done"
    assert pool.secret.uuids() == ["uuid-ref1"]


def test_one_that_another_host_or_the_pool_names_stays(pool, given):
    first = pool.secret.create({"value": "old", "other_config": {"xsraid": "true"}})
    for scope in ("host", "pool"):
        pool.keeps(scope, smtp_password_secret=pool.secret.get_uuid(first))
    call(pool, given, takes(pool))
    assert pool.secret.uuids() == ["uuid-ref0", "uuid-ref1"]


def test_one_that_somebody_else_made_stays(pool, given):
    first = pool.secret.create({"value": "old", "other_config": {}})
    pool.keeps("host", smtp_password_secret=pool.secret.get_uuid(first))
    call(pool, given, takes(pool))
    assert pool.secret.uuids() == ["uuid-ref0", "uuid-ref1"]


def test_a_refused_call_leaves_none_behind_but_one_that_the_settings_name(pool, given):
    """The settings are kept before mdadm's monitor is started, and it may be that which fails."""

    def refuses(arguments):
        raise XenAPI.Failure(["XSRAID_BAD_ARGUMENT"])

    def fails_late(arguments):
        takes(pool)(arguments)
        raise XenAPI.Failure(["XSRAID_COMMAND_FAILED"])

    for act, left in ((refuses, []), (fails_late, ["uuid-ref0"])):
        with pytest.raises(XenAPI.Failure):
            call(pool, given, act)
        assert pool.secret.uuids() == left


@pytest.mark.parametrize(
    "text", ["", "[]", "no JSON", '{"smtp_password_secret": null}', '{"smtp_password_secret": 5}']
)
def test_settings_that_nobody_understands_name_none(pool, given, text):
    pool.configs["pool"] = {"xsraid-alerts": text}
    assert call(pool, given, takes(pool)) == "done"
