"""A mail password on its way to a host: kept by XAPI as a secret, whose uuid is all that travels with the call."""

from __future__ import absolute_import

import XenAPI

from xsraid_cli import commands, parser, passwords

USER_SUFFIX = "user"


def password_of(argument, given, options):
    """Return the password behind a secret that this call needs, None where it needs none or brings the secret's uuid."""
    descriptor = vars(options).get(parser.password_option(argument)[0][0][2:].replace("-", "_"))
    if descriptor is not None:
        return passwords.from_descriptor(descriptor)
    user = given.get(commands.password_name(argument).replace("password", USER_SUFFIX))
    if argument.name in given or not user:
        return None
    return passwords.asked("Password of %s at the mail server: " % user, parser.password_option(argument)[0][0])


def with_secrets(pool, command, given, options, call):
    """Return call(arguments), with secrets made of the passwords that come with the options; what XAPI or the plugin refuses leaves none behind.

    A call whose outcome nobody knows, as that of a broken connection, keeps its secret: it may be in use.
    """
    passwords_by_name = {argument.name: password_of(argument, given, options) for argument in command.options if commands.is_secret(argument)}
    secrets, made = pool.session.xenapi.secret, []
    try:
        for name, password in passwords_by_name.items():
            if password:
                made.append(secrets.create({"value": password, "other_config": {}}))
                given = dict(given, **{name: secrets.get_uuid(made[-1])})
        return call(given)
    except XenAPI.Failure:
        for secret in made:
            secrets.destroy(secret)
        raise
