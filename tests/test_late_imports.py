"""An import inside a function saves start-up time and nothing else: it hides no circle."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

import sandtui
from tests.sources import parsed

PACKAGE = Path(sandtui.__file__).parent
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}

LATE = {
    "sandtui.cli": "each command loads what it needs when it runs",
    "sandtui.local.commands": "the subcommands `serve` and `local` are commands too",
    "sandtui.local.ssh.sessions": "asyncssh, which comes with the first session",
    "sandtui.manual": "the pages are read by one command and one dialog",
    "sandtui.ui.app": "the first frame comes before the screens, which are loaded behind it",
    "sandtui.ui.pages": "screens are loaded behind the first frame, or when the first of a kind is opened",
    "sandtui.ui.jobs.flow": "dialogs that few open",
    "sandtui.ui.ports.screen": "the dialog of a QR code, which few open",
    "sandtui.ui.recordings.screen": "the player, with its terminal",
    "sandtui.ui.rendering.qr": "segno",
    "sandtui.ui.services.recordings": "the terminal, which only a recorded shell needs",
    "sandtui.ui.shells.attach": "asyncssh",
    "sandtui.ui.web_browser": "httpx",
    "sandtui.web.server": "cryptography, which only a certificate needs",
    "sandtui.fleet.commands.attached": "asyncssh",
    "sandtui.fleet.commands.console": "asyncssh",
    "sandtui.fleet.creation.values": "dotenv",
    "sandtui.fleet.inventory.session": "shells, with their terminal: the fleet is shown before",
    "sandtui.fleet.ports.forwards": "asyncssh",
    "sandtui.fleet.shells.channel": "asyncssh",
    "sandtui.fleet.transfers.sync": "pathspec",
    "sandtui.fleet.transfers.watch": "watchfiles",
    "sandtui.config.contexts": "keyring, which is optional",
    "sandtui.client.async_client": "asyncssh",
    "sandtui.client.channels": "asyncssh",
    "sandtui.client.flows.commands": "protobuf",
    "sandtui.client.live": "anyio",
    "sandtui.client.network_deadline": "socksio, which is optional",
    "sandtui.client.process": "protobuf",
    "sandtui.client.rpc": "protobuf",
}
"""Which modules may import inside functions, and what for."""

ON_DEMAND = {"sandtui.client", "sandtui.client.toolkit"}
"""Packages that load each of their names when it is first used."""

SLOW_OF_PYTHON = {"argparse", "difflib", "importlib", "subprocess"}
"""Modules of Python that are imported late: the dashboard, or the completion of a word, starts without them."""


class Imports(ast.NodeVisitor):
    """Collects the modules that a file imports, at its top and inside functions; not those for type checkers."""

    def __init__(self, path: Path) -> None:
        self.top: set[str] = set()
        self.late: set[str] = set()
        self._depth = 0
        self.visit(parsed(path))

    def visit_If(self, node: ast.If) -> None:
        if not (isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._depth += 1
        self.generic_visit(node)
        self._depth -= 1

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Import(self, node: ast.Import) -> None:
        self._note({alias.name for alias in node.names})

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        whole = {f"{node.module}.{alias.name}" for alias in node.names}
        self._note(modules if (modules := whole & MODULES.keys()) else {node.module or ""})

    def _note(self, names: set[str]) -> None:
        (self.late if self._depth else self.top).update(names)


IMPORTS = {module: Imports(path) for module, path in MODULES.items()}


@cache
def loaded_with(module: str) -> frozenset[str]:
    """Return what a module brings with it: itself, its packages, and all that these import at their top."""
    found: set[str] = set()
    left = [module]
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += [name.rpartition(".")[0]] if "." in name else []
            left += IMPORTS[name].top if name in IMPORTS else []
    return frozenset(found)


WITH_LATE = sorted(module for module, imports in IMPORTS.items() if imports.late)


def allowed(module: str) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in LATE)


def test_late_imports_are_where_they_are_said_to_be():
    assert [module for module in WITH_LATE if not allowed(module)] == [], "import at the top, or say here what it saves"
    assert [name for name in LATE if not any(module.startswith(name) for module in WITH_LATE)] == []


@pytest.mark.parametrize("module", WITH_LATE)
def test_a_late_import_loads_what_is_not_there_yet(module):
    there = loaded_with(module)
    assert {name for name in IMPORTS[module].late & there if name not in ON_DEMAND} == set()
    assert {
        name for name in IMPORTS[module].late if name.partition(".")[0] in sys.stdlib_module_names - SLOW_OF_PYTHON
    } == set()


@pytest.mark.parametrize("module", WITH_LATE)
def test_a_late_import_hides_no_circle(module):
    assert [name for name in IMPORTS[module].late if name in IMPORTS and module in loaded_with(name)] == []
