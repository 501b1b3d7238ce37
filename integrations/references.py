"""What a person pasted → the customer's id, or a reason why not. Pure.

On the customer's Edit and Statistics pages in eAccounting the address ends in the customer's id, after the
last slash (docs/eaccounting/facts.md, Web UI). The route before it is not documented, so it is not looked at.
"""

import re
from uuid import UUID

_GUID = r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
_IN_ADDRESS = re.compile(rf"/({_GUID})(?![0-9a-zA-Z-])")
_QUERY = re.compile(r"\?[^#]*")  # up to the hash: the route may stand behind it
_BARE = re.compile(rf"[{{(\"']?({_GUID}|[0-9a-fA-F]{{32}})[}})\"']?/?(?:[?#].*)?", re.DOTALL)


class NotAReference(ValueError):
    """The text holds no customer id."""


def parse_reference(text: str) -> str:
    """Return the customer's id (lower case) from a whole address or from the id alone.

    In an address the last id that follows a slash counts. Ids in a query belong to something else, paths in
    it included. Raises NotAReference.
    """
    text = "".join(text.split())
    bare = _BARE.fullmatch(text)
    if bare:
        return str(UUID(bare[1]))
    found = _IN_ADDRESS.findall(_QUERY.sub("", text))
    if not found:
        raise NotAReference
    return str(UUID(found[-1]))
