"""The filter's language: one line, applied at each key stroke.

Plain words are looked up in name, image and labels; lower case matches any case, a capital makes a word exact. An
id is found by ``id:`` and its beginning, or by a word of at least eight characters that it begins with.
``#x`` or ``label:x`` asks for a label (``#x=`` for one that starts so), ``status:a,b`` for one of some statuses,
``image:glob`` for an image, ``name~regex`` for a pattern, ``age>2h`` and ``cpu>=4`` compare, as do
``used<2%`` and ``memused>80%`` with what was measured. ``!`` or ``-`` before a term turns it round, ``or`` and
parentheses join terms, quotes hold blanks together.
"""

from sandtui.fleet.inventory.query.completion import complete
from sandtui.fleet.inventory.query.mistake import QueryError
from sandtui.fleet.inventory.query.parser import EVERYTHING, Query, ServerFilter, parse

__all__ = ["EVERYTHING", "Query", "QueryError", "ServerFilter", "complete", "parse"]
