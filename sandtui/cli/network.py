"""``sandtui network``: LAN networks between sandboxes, their rules and their members."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandtui.cli.connected import exit_code_of, run_connected
from sandtui.cli.output import ObjectKind, ObjectPrinter, TextCell, TextColumn, add_output
from sandtui.cli.targets import check_words, resolve
from sandtui.cli.usage import EXIT_CODES, USAGE_ERROR, UsageError, complain, note
from sandtui.client.models.networks import LanNetwork, LanNetworkMember, LanRule
from sandtui.fleet.text.units import duration
from sandtui.printable import clean

if TYPE_CHECKING:
    from sandtui.client import AsyncSandboxClient
    from sandtui.fleet.inventory.connection import Connection

DOMAIN = "sandbox.internal"
MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class MemberOfNetwork:
    """A member, with the URLs of its ports that a rule publishes."""

    member: LanNetworkMember
    urls: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        """The name that other members reach it by."""
        return f"{self.member.sandbox_id}.{DOMAIN}"


def rule_text(rule: LanRule) -> str:
    """Return a rule as it is given on the command line."""
    ports = f"@{','.join(map(str, rule.ports))}" if rule.ports else ""
    return f"{rule.from_}->{rule.to}{ports}"


def read_rule(text: str) -> LanRule:
    """Return the rule of ``FROM->TO[@PORT,...]``.

    Raises:
        UsageError: it is not of this form.
    """
    ends, at, words = text.partition("@")
    source, arrow, target = (part.strip() for part in ends.partition("->"))
    if not (arrow and source and target):
        raise UsageError(f"rule {text!r}: write FROM->TO or FROM->TO@PORT,PORT, as in 'tag:web->tag:db@5432'")
    if not at:
        return LanRule(from_=source, to=target)
    ports = [word.strip() for word in words.split(",")]
    if not all(word.isascii() and word.isdecimal() and 1 <= int(word[:6]) <= MAX_PORT for word in ports):
        raise UsageError(f"rule {text!r}: a port is a number from 1 to {MAX_PORT}")
    return LanRule(from_=source, to=target, ports=[int(word) for word in ports])


def read_join(text: str) -> tuple[str, list[str]]:
    """Return network and tags of ``--join NETWORK[:TAG,...]``.

    Raises:
        UsageError: it is not of this form.
    """
    name, colon, tags = text.partition(":")
    words = tags.split(",") if colon else []
    if not name or not all(words):
        raise UsageError(f"--join {text!r}: write NETWORK or NETWORK:TAG,TAG")
    return name, words


async def find_network(client: AsyncSandboxClient, word: str, team_id: str | None) -> LanNetwork:
    """Return the network of a name or an id.

    Raises:
        UsageError: there is none.
    """
    known = await client.list_lan_networks(team_id)
    for network in known:
        if word in (network.name, network.id):
            return network
    names = f": {', '.join(clean(network.name) for network in known[:5])}" if known else ""
    raise UsageError(f"there is no network {word!r}; `sandtui network ls` lists them{names}")


def _age(network: LanNetwork, now: datetime) -> str | None:
    return None if network.created_at is None else duration(max(0.0, (now - network.created_at).total_seconds()))


def _in_force(is_synced: bool) -> TextCell:
    return TextCell("yes", "good") if is_synced else TextCell("not yet", "busy")


NETWORKS: ObjectKind[LanNetwork] = ObjectKind(
    columns=(
        TextColumn(id="name", heading="NAME", cell=lambda each, _: each.name, least=12, sort=lambda each: each.name),
        TextColumn(
            id="rules", heading="RULES", least=16, keep=3,
            cell=lambda each, _: " ".join(map(rule_text, each.rules)) or "none: nothing passes",
        ),
        TextColumn(
            id="members", heading="MEMBERS", right=True, keep=1,
            cell=lambda each, _: None if each.members is None else str(len(each.members)),
            sort=lambda each: len(each.members or ()), descending=True,
        ),
        TextColumn(id="synced", heading="IN FORCE", cell=lambda each, _: _in_force(each.synced), keep=2),
        TextColumn(
            id="age", heading="AGE", cell=_age, right=True, keep=2,
            sort=lambda each: each.created_at or datetime.min.replace(tzinfo=UTC), descending=True,
        ),
        TextColumn(id="team", heading="TEAM", cell=lambda each, _: each.team_id, wide=True),
        TextColumn(id="id", heading="ID", cell=lambda each, _: each.id, keep=4),
    ),
    record=lambda each: each.model_dump(mode="json", by_alias=False)
    | {"rules": [rule.model_dump(by_alias=True, exclude_none=True) for rule in each.rules]},
    name=lambda each: each.name,
    fields={
        "id": "id of the network",
        "name": "its name",
        "team_id": "the team that it belongs to, or null",
        "rules": "who may connect to whom: from, to, and ports if not all",
        "members": "sandbox_id, tags, synced and address of each member; null if the platform does not list them",
        "published": "sandbox_id, port and url of what rules from internet publish",
        "synced": "whether the rules are in force",
        "version": "how often it was changed",
        "created_at": "when it was created",
    },
)  # fmt: skip
"""What is printed of each network."""

MEMBERS: ObjectKind[MemberOfNetwork] = ObjectKind(
    columns=(
        TextColumn(id="id", heading="SANDBOX", cell=lambda each, _: each.member.sandbox_id),
        TextColumn(id="tags", heading="TAGS", cell=lambda each, _: " ".join(each.member.tags), least=8, keep=1),
        TextColumn(id="address", heading="ADDRESS", cell=lambda each, _: each.member.address, keep=2),
        TextColumn(id="synced", heading="IN FORCE", cell=lambda each, _: _in_force(each.member.synced), keep=3),
        TextColumn(id="published", heading="PUBLISHED", cell=lambda each, _: " ".join(each.urls), least=12, keep=4),
        TextColumn(id="host", heading="HOST", cell=lambda each, _: each.host, wide=True),
    ),
    record=lambda each: {
        "sandbox_id": each.member.sandbox_id,
        "tags": each.member.tags,
        "address": each.member.address,
        "host": each.host,
        "synced": each.member.synced,
        "published": list(each.urls),
    },
    name=lambda each: each.member.sandbox_id,
    fields={
        "sandbox_id": "id of the sandbox",
        "tags": "its tags in the network",
        "address": "its address in the network, or null if the platform does not tell",
        "host": "the name that other members reach it by",
        "synced": "whether its membership is in force",
        "published": "URLs of its ports that rules from internet publish",
    },
)
"""What is printed of each member."""

_DESCRIPTION = """\
A network joins sandboxes by address and by name: members reach each other as ID.sandbox.internal, if a rule says so.
A rule FROM->TO[@PORT,...] lets members connect in one direction; FROM and TO are * or tag:NAME. A rule from internet
publishes its ports over HTTP. A change of rules also cuts connections that are open. NETWORK is a name or an id.

  sandtui network create lab 'tag:web->tag:db@5432' 'internet->tag:web@8080'
  sandtui create --name db --join lab:db
  sandtui network join lab trainer --tag web
  sandtui network rules lab '*->*'
  sandtui network get lab
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand."""
    parser = subparsers.add_parser(
        "network", help="networks between sandboxes: rules and members", description=_DESCRIPTION, epilog=EXIT_CODES
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    create = actions.add_parser("create", help="create a network", epilog=EXIT_CODES)
    create.add_argument("name", metavar="NETWORK", help="its name")
    create.add_argument("rules", metavar="RULE", nargs="*", help="FROM->TO[@PORT,...]; without one, nothing passes")
    listing = actions.add_parser("ls", help="list networks", epilog=EXIT_CODES)
    get = actions.add_parser("get", help="list the members of a network", epilog=EXIT_CODES)
    rules = actions.add_parser("rules", help="replace the rules of a network", epilog=EXIT_CODES)
    join = actions.add_parser("join", help="add running sandboxes, or replace their tags", epilog=EXIT_CODES)
    leave = actions.add_parser("leave", help="remove members", epilog=EXIT_CODES)
    for each in (get, rules, join, leave):
        each.add_argument("network", metavar="NETWORK", help="name or id of the network")
    rules.add_argument("rules", metavar="RULE", nargs="*", help="FROM->TO[@PORT,...], all that there shall be")
    rules.add_argument("--clear", action="store_true", help="remove all rules: nothing passes")
    for each in (join, leave):
        each.add_argument("targets", metavar="NAME|ID|QUERY", nargs="+", help="sandboxes, or a filter")
    join.add_argument("--tag", "-t", action="append", default=[], metavar="TAG", help="a tag (may be repeated)")
    remove = actions.add_parser("rm", help="delete networks; their members stay", epilog=EXIT_CODES)
    remove.add_argument("networks", metavar="NETWORK", nargs="+", help="names or ids")
    for each in (create, listing, get, rules, join, leave, remove):
        each.add_argument("--team", metavar="ID", help="the team that it belongs to (default: that of the context)")
    for each in (create, rules):
        add_output(each, lambda: NETWORKS, sort=False)
    add_output(listing, lambda: NETWORKS)
    for each in (get, join):
        add_output(each, lambda: MEMBERS, sort=False)
    create.set_defaults(run=_create, connects=True, changes=lambda _: "it creates a network")
    listing.set_defaults(run=_ls, connects=True, changes=lambda _: "")
    get.set_defaults(run=_get, connects=True, changes=lambda _: "")
    rules.set_defaults(run=_rules, connects=True, changes=lambda _: "it changes the rules of a network")
    join.set_defaults(run=_join, connects=True, changes=lambda _: "it adds members to a network")
    leave.set_defaults(run=_leave, connects=True, changes=lambda _: "it removes members of a network")
    remove.set_defaults(run=_rm, connects=True, changes=lambda _: "it deletes networks")


def _create(arguments: argparse.Namespace) -> int:
    rules = [read_rule(text) for text in arguments.rules]
    printer = ObjectPrinter(NETWORKS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        printer.add([await client.create_lan_network(arguments.name, arguments.team, rules)])
        printer.end()
        return 0

    return run_connected(arguments, work)


def _ls(arguments: argparse.Namespace) -> int:
    printer = ObjectPrinter(NETWORKS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        printer.add(await client.list_lan_networks(arguments.team))
        printer.end()
        if not printer.count:
            note("no networks")
        return 0

    return run_connected(arguments, work)


def _get(arguments: argparse.Namespace) -> int:
    printer = ObjectPrinter(MEMBERS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        found = await find_network(client, arguments.network, arguments.team)
        network = await client.get_lan_network(found.id)
        printer.add(_members(network, network.members or ()))
        printer.end()
        rules = " ".join(map(rule_text, network.rules)) or "none, so that nothing passes"
        note(f"{clean(network.name)}: {'no members; ' if not printer.count else ''}rules: {clean(rules)}")
        return 0

    return run_connected(arguments, work)


def _members(network: LanNetwork, members: Sequence[LanNetworkMember]) -> list[MemberOfNetwork]:
    return [
        MemberOfNetwork(each, tuple(one.url for one in network.published if one.sandbox_id == each.sandbox_id))
        for each in members
    ]


def _rules(arguments: argparse.Namespace) -> int:
    rules = [read_rule(text) for text in arguments.rules]
    if bool(rules) is bool(arguments.clear):
        raise UsageError("give the rules that there shall be, or --clear for none")
    printer = ObjectPrinter(NETWORKS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        network = await find_network(client, arguments.network, arguments.team)
        printer.add([await client.set_lan_rules(network.id, rules)])
        printer.end()
        return 0

    return run_connected(arguments, work)


def _join(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)
    printer = ObjectPrinter(MEMBERS, arguments)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        network = await find_network(client, arguments.network, arguments.team)
        rows = await resolve(client, arguments.targets, only="RUNNING")
        code = 0
        for row in rows:
            try:
                member = await client.add_lan_member(network.id, row.id, arguments.tag)
            except SandboxClientError as error:
                complain(f"{row.name or row.id}: not added: {error}")
                code = max(code, exit_code_of(error))
            else:
                printer.add([MemberOfNetwork(member)])
        printer.end()
        return code

    return run_connected(arguments, work)


def _leave(arguments: argparse.Namespace) -> int:
    check_words(arguments.targets)

    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        network = await find_network(client, arguments.network, arguments.team)
        code = 0
        for row in await resolve(client, arguments.targets):
            try:
                await client.remove_lan_member(network.id, row.id)
            except SandboxClientError as error:
                complain(f"{row.name or row.id}: not removed: {error}")
                code = max(code, exit_code_of(error))
            else:
                print(clean(row.id))
        return code

    return run_connected(arguments, work)


def _rm(arguments: argparse.Namespace) -> int:
    async def work(client: AsyncSandboxClient, _: Connection) -> int:
        from sandtui.client import SandboxClientError

        code = 0
        for word in dict.fromkeys(arguments.networks):
            try:
                await client.delete_lan_network((await find_network(client, word, arguments.team)).id)
            except (SandboxClientError, UsageError) as error:
                complain(f"{word}: not deleted: {error}")
                code = max(code, exit_code_of(error) if isinstance(error, SandboxClientError) else USAGE_ERROR)
            else:
                print(clean(word))
        return code

    return run_connected(arguments, work)
