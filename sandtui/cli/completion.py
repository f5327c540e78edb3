"""``sandtui completion``: shell completion, made from the argument parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

from sandtui.cli.options import CONTEXT, NO_PLATFORM, NOTHING

SHELLS = ("bash", "zsh", "fish")


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser], whole: argparse.ArgumentParser) -> None:
    """Add the subcommand; ``whole`` is the parser of the program."""
    parser = subparsers.add_parser(
        "completion",
        help="print a shell completion script",
        description="Print a completion script. bash and zsh: put "
        'eval "$(sandtui completion bash)" into the startup file of the shell. '
        "fish: sandtui completion fish > ~/.config/fish/completions/sandtui.fish",
    )
    parser.add_argument("shell", choices=SHELLS)
    parser.set_defaults(run=lambda arguments: run(arguments.shell, whole), takes=NOTHING, why_not=NO_PLATFORM)


def run(shell: str, whole: argparse.ArgumentParser) -> int:
    """Print the completion."""
    print({"bash": bash, "zsh": zsh, "fish": fish}[shell](whole), end="")
    return 0


@dataclass(frozen=True, slots=True)
class PathCompletion:
    """What may follow a path of subcommands: fixed words, names of the live fleet, and the values of its options.

    ``live`` is the kind that ``sandtui __complete`` takes, or empty. ``values`` are the words or the kind of an option.
    """

    path: str
    words: tuple[str, ...]
    live: str = ""
    values: tuple[tuple[str, tuple[str, ...], str], ...] = ()


def completions(parser: argparse.ArgumentParser) -> list[PathCompletion]:
    """Return what may follow each path, the empty one first."""
    return list(_completions(parser, ()))


def _completions(parser: argparse.ArgumentParser, path: tuple[str, ...]) -> Iterator[PathCompletion]:
    fixed = parser.get_default("completes") or ()
    words: list[str] = list(fixed() if callable(fixed) else fixed)
    below: list[tuple[str, argparse.ArgumentParser]] = []
    live = ""
    values: list[tuple[str, tuple[str, ...], str]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += action.choices.items()
        elif action.help != argparse.SUPPRESS:
            words += action.option_strings
            if action.option_strings:
                values += _values(parser, action)
            else:
                words += map(str, action.choices or ())
                live = live or _live(action)
    named = (*(name for name, _ in below), *sorted(words))
    yield PathCompletion(" ".join(path), named, live, tuple(values))
    for name, child in below:
        yield from _completions(child, (*path, name))


def _live(action: argparse.Action) -> str:
    """Return what an argument names that only the fleet or the disk knows."""
    metavar = str(action.metavar or action.dest)
    for sign, kind in _LIVE.items():
        if sign in metavar:
            return kind
    return ""


_LIVE = {
    "QUERY": "targets",
    "NAME": "names",
    "sandbox": "names",
    "PRESET": "presets",
    "source": "remote",
    "target": "remote",
}
"""The kind for what an argument is called."""


def _values(parser: argparse.ArgumentParser, action: argparse.Action) -> Iterator[tuple[str, tuple[str, ...], str]]:
    kind = parser.get_default("output_kind")
    for option in action.option_strings:
        if action.choices:
            yield option, tuple(map(str, action.choices)), ""
        elif CONTEXT in action.option_strings:
            yield option, (), "contexts"
        elif action.dest in {"columns", "sort"} and kind is not None:
            columns = kind().columns
            sorts = action.dest == "sort"
            yield option, tuple(each.id for each in columns if not sorts or each.sort is not None), ""
        elif action.dest == "query":
            yield option, (), "targets"
        elif known := parser.get_default(f"completes_{action.dest}"):
            yield option, tuple(known), ""


def words_by_path(parser: argparse.ArgumentParser) -> Iterator[tuple[str, list[str]]]:
    """Yield what may follow each path of subcommands, as ``("local stop", [words])``; the empty path is the first."""
    for each in completions(parser):
        yield each.path, list(each.words)


def bash(parser: argparse.ArgumentParser) -> str:
    """Return the completion for bash; where nothing else is known, files are completed."""
    found = completions(parser)
    cases = "\n".join(f'    "{each.path}") fixed="{" ".join(each.words)}" live="{each.live}" ;;' for each in found)
    values = "\n".join(
        f'    "{each.path} {option}") fixed="{" ".join(words)}" live="{live}" ;;'
        for each in found
        for option, words, live in each.values
    )
    paths = " ".join(each.path.replace(" ", "_") for each in found if each.path)
    return _BASH.replace("@CASES", cases).replace("@VALUES", values).replace("@PATHS", paths)


# bash splits words at : and =, and leaves an opening quote at the beginning: what is typed is put together again, and
# what bash has taken of it is left out of the answers. Variables called path and words are special in zsh.
_BASH = r"""_sandtui() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="" place="" word fixed="" live="" whole lead="" option="" before=""
  [ "$COMP_CWORD" -gt 0 ] && previous="${COMP_WORDS[COMP_CWORD-1]}"
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD-1))}"; do
    case " ${_sandtui_paths[*]} " in *" ${place:+${place// /_}_}$word "*) place="${place:+$place }$word" ;; esac
  done
  whole="$current"
  case "$current" in
    [\'\"]*) whole="${current#?}"
      case "$whole" in *" "*) before="${whole% *} "; whole="${whole##* }" ;; esac ;;
    *) if [ -n "${COMP_LINE-}" ]; then
        word="${COMP_LINE:0:${COMP_POINT:-0}}"; word="${word##*[[:space:]]}"
        case "$current" in [:=]) current="" ;; esac
        case "$word" in *"$current") whole="$word"; lead="${word%"$current"}" ;; esac
      fi ;;
  esac
  case "$whole" in
    --*=*) option="${whole%%=*}"; whole="${whole#*=}"
      case "$current" in --*=*) before="$option=" ;; *) lead="${lead#"$option"}"; lead="${lead#=}" ;; esac ;;
    *) case "$previous" in -*) option="$previous" ;; esac ;;
  esac
  case "$place" in
@CASES
  esac
  case "$place $option" in
@VALUES
    *" ") ;;
  esac
  local IFS=$'\n' answers
  answers=($(IFS=" "; compgen -W "$fixed" -- "$whole"))
  case "${live}:${whole}" in
    :*) ;;
    targets:*) answers+=($(sandtui __complete "$live" "$whole" "${COMP_WORDS[@]}" 2>/dev/null)) ;;
    *:-*) ;;
    remote:*) answers+=($(sandtui __complete "$live" "$whole" "${COMP_WORDS[@]}" 2>/dev/null))
      answers+=($(compgen -f -- "$whole")) ;;
    *) answers+=($(sandtui __complete "$live" "$whole" "${COMP_WORDS[@]}" 2>/dev/null)) ;;
  esac
  COMPREPLY=()
  for word in "${answers[@]}"; do COMPREPLY+=("$before${word#"$lead"}"); done
  # A path of a sandbox, or a key of a filter, goes on.
  case "${COMPREPLY[0]-}" in *:|*"<"|*">") [ "${#COMPREPLY[@]}" -eq 1 ] && compopt -o nospace 2>/dev/null ;; esac
  return 0
}
_sandtui_paths=(@PATHS)
complete -o default -F _sandtui sandtui
"""


def zsh(parser: argparse.ArgumentParser) -> str:
    """Return the completion for zsh, which understands bash's."""
    # -i skips directories that others can write to. A compinit that already ran is not repeated.
    ready = "(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }\n"
    return f"{ready}autoload -U +X bashcompinit && bashcompinit\n{bash(parser)}"


def fish(parser: argparse.ArgumentParser) -> str:
    """Return the completion for fish."""
    rows = []
    for each in completions(parser):
        parts = each.path.split()
        seen = [f"__fish_seen_subcommand_from {part}" for part in parts] or ["__fish_use_subcommand"]
        condition = "; and ".join(seen)
        if any(not word.startswith("-") for word in each.words) or each.live in {"names", "targets"}:
            # The next word is one of these, never a file.
            rows.append(f"complete -c sandtui -n '{condition}' -f")
        for word in each.words:
            if word.startswith("--"):
                rows.append(f"complete -c sandtui -n '{condition}' -l {word[2:]}")
            elif word.startswith("-"):
                rows.append(f"complete -c sandtui -n '{condition}' -s {word[1:]}")
            else:
                rows.append(f"complete -c sandtui -n '{condition}' -a '{word}'")
        if each.live:
            rows.append(f"complete -c sandtui -n '{condition}' -a '{_fish_live(each.live)}'")
        for option, words, live in each.values:
            flag = f"-l {option[2:]}" if option.startswith("--") else f"-s {option[1:]}"
            offered = _fish_live(live) if live else " ".join(words)
            rows.append(f"complete -c sandtui -n '{condition}' {flag} -x -a '{offered}'")
    return "\n".join(rows) + "\n"


def _fish_live(kind: str) -> str:
    return f"(sandtui __complete {kind} (commandline -ct) (commandline -opc))"
