"""The filter language: one line, applied at each key press.

Plain words match the name, image and labels; lower case matches any case, a capital makes a word exact. An
id matches ``id:`` and its beginning, or a word of at least eight characters that it starts with.
``#x`` or ``label:x`` selects a label (``#x=`` by its beginning), ``status:a,b`` one of several statuses,
``image:glob`` an image, ``name~regex`` a pattern, ``age>2h`` and ``cpu>=4`` compare, as do
``used<2%`` and ``memused>80%`` with what was measured. ``!`` or ``-`` before a term negates it, ``or`` and
parentheses combine terms, and quotes keep spaces.
"""

from sandtui.fleet.inventory.query.completion import complete
from sandtui.fleet.inventory.query.mistake import QueryError
from sandtui.fleet.inventory.query.parser import EVERYTHING, Query, ServerFilter, parse

__all__ = ["EVERYTHING", "Query", "QueryError", "ServerFilter", "complete", "parse"]
