"""What has named fields here and is a JSON object in replies."""

from __future__ import absolute_import

import collections


class Record(object):
    """Something with the fields that its class names; what is not given is None.

    FIELDS: those of its JSON object, in their order; RARE: those of them that are left out there
    where they are None; INNER: those that no reply shows.
    """

    FIELDS = ()
    RARE = ()
    INNER = ()

    def __init__(self, **values):
        for name in self.FIELDS + self.INNER:
            setattr(self, name, values.pop(name, None))
        if values:
            raise TypeError("no fields of a %s: %s" % (type(self).__name__, ", ".join(values)))

    def replace(self, **values):
        """Return a copy with other values of some fields."""
        return type(self)(**dict(vars(self), **values))

    def shown(self):
        """Return {name: value} of what a reply shows, in order."""
        found = collections.OrderedDict()
        for name in self.FIELDS:
            value = getattr(self, name)
            if value is not None or name not in self.RARE:
                found[name] = value
        return found

    def __eq__(self, other):
        return type(self) is type(other) and vars(self) == vars(other)

    def __ne__(self, other):
        return not self == other

    __hash__ = None

    def __repr__(self):
        return "%s(%r)" % (type(self).__name__, vars(self))
