"""Releases of the product in their order, so that a method can be refused that is newer than the
release that is simulated.
"""

import re

# xapi's own names (datamodel_types.ml); from 8.3 on a version of xapi stands in the data model
# instead of a name
NAMES = [
    "rio",
    "miami",
    "symc",
    "orlando",
    "orlando-update-1",
    "george",
    "midnight-ride",
    "cowley",
    "boston",
    "tampa",
    "clearwater",
    "creedence",
    "cream",
    "indigo",
    "dundee",
    "ely",
    "falcon",
    "inverness",
    "jura",
    "kolkata",
    "lima",
    "naples",
    "quebec",
    "stockholm",
    "stockholm_psr",
]
NEWEST = "999.0.0"
PRODUCTS = {
    "6.0": "boston",
    "6.1": "tampa",
    "6.2": "clearwater",
    "6.5": "cream",
    "7.0": "dundee",
    "7.1": "ely",
    "7.2": "falcon",
    "7.3": "inverness",
    "7.4": "jura",
    "7.5": "kolkata",
    "7.6": "lima",
    "8.0": "naples",
    "8.1": "quebec",
    "8.2": "stockholm",
}


def rank(release):
    """Return a key that sorts releases by age: release is a name of NAMES or a version of xapi such
    as "21.3.0".
    """
    if release in NAMES:
        return (0, NAMES.index(release))
    return (1,) + tuple(int(part) for part in release.split("."))


def release_of(version):
    """Return the release of a product version ("8.2.1"); later ones than in PRODUCTS know
    everything. Raises ValueError.
    """
    if version in NAMES:
        return version
    match = re.match(r"\d+(\.\d+)?", version)
    if not match:
        raise ValueError("not a version: %s" % version)
    return PRODUCTS.get(match.group() if "." in match.group() else match.group() + ".0", NEWEST)
