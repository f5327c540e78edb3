"""``sandtui view``: the views of the fleet that the dashboard has and the user saved."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from sandtui.cli import ls
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextColumn, add_output
from sandtui.cli.usage import EXIT_CODES, UsageError
from sandtui.config.paths import Paths, read_text
from sandtui.manual import nearest

if TYPE_CHECKING:
    from sandtui.fleet.inventory.saved_views import SavedView

_DESCRIPTION = """\
List the saved views, or the sandboxes of one: by its name, or by the key that calls it in the dashboard. The filter and
the order are those of the view, which is saved in the dashboard (v, then S).

  sandtui view
  sandtui view failed -o json
"""

VIEWS: ObjectKind[Any] = ObjectKind(
    columns=(
        TextColumn(id="key", heading="KEY", cell=lambda view, _: view.key),
        TextColumn(id="name", heading="NAME", cell=lambda view, _: view.name),
        TextColumn(id="query", heading="QUERY", cell=lambda view, _: view.query, least=12),
        TextColumn(id="order", heading="ORDER", cell=lambda view, _: _order(view)),
        TextColumn(id="group", heading="GROUP", cell=lambda view, _: view.group, keep=1),
    ),
    record=lambda view: {
        "key": view.key,
        "name": view.name,
        "query": view.query,
        "sort": view.sort,
        "descending": view.descending,
        "group": view.group or None,
    },
    name=lambda view: view.name,
    fields={
        "key": "what is pressed after v in the dashboard",
        "name": "Name",
        "query": "its filter",
        "sort": "the column that it is sorted by",
        "descending": "whether the order is reversed",
        "group": "what it is grouped by in the dashboard, or null",
    },
)
"""What is printed of each view."""


def _order(view: SavedView) -> str:
    from sandtui.fleet.inventory.order import ORDERS_BY_ID

    return view.sort if ORDERS_BY_ID[view.sort].descending == view.descending else f"-{view.sort}"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "view",
        help="list saved views, or the sandboxes of one",
        description=_DESCRIPTION,
        epilog=EXIT_CODES,
        usage="sandtui view [options] [VIEW]",
    )
    parser.add_argument("view", metavar="VIEW", nargs="?", help="name of a view, or its key")
    parser.add_argument("-a", "--all", action="store_true", help="also sandboxes that have ended")
    parser.add_argument("-w", "--watch", action="store_true", help="go on, and print each that is new or has changed")
    add_output(parser, ls.sandboxes)
    parser.set_defaults(run=run, connects=True, completes=_built_in, changes=lambda _: "")


def _built_in() -> list[str]:
    from sandtui.fleet.inventory.saved_views import BUILT_IN

    return [view.name for view in BUILT_IN if " " not in view.name]


def run(arguments: argparse.Namespace) -> int:
    """Run the subcommand."""
    from sandtui.fleet.inventory.preferences import Preferences
    from sandtui.fleet.inventory.saved_views import BUILT_IN

    views: list[SavedView] = [*Preferences.load(read_text(Paths.of_user().fleet)).views, *BUILT_IN]
    if arguments.view is None:
        printer = ObjectPrinter(VIEWS, arguments)
        printer.add(views)
        printer.end()
        return 0
    wanted: str = arguments.view
    found = next((view for view in views if wanted in {view.key, view.name}), None)
    found = found or next((view for view in views if view.name.lower() == wanted.lower()), None)
    if found is None:
        close = nearest(wanted, tuple(view.name for view in views))
        advice = f'did you mean "{close}"?' if close else "`sandtui view` lists them"
        raise UsageError(f'no view "{wanted}"; {advice}')
    arguments.query = [found.query]
    if arguments.sort is None and not arguments.watch:
        arguments.sort = _order(found)
    return ls.run(arguments)
