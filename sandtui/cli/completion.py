"""``sandtui completion``: shell completion, made from the argument parsers."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from sandtui.cli.options import NO_PLATFORM, NOTHING

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


def words_by_path(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[str]]]:
    """Yield what may follow each path of subcommands, as ``("local stop", [words])``; the empty path is the first."""
    words: list[str] = list(parser.get_default("completes") or ())
    below: list[tuple[str, argparse.ArgumentParser]] = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += action.choices.items()
        elif action.help != argparse.SUPPRESS:
            words += action.option_strings
            if not action.option_strings and action.choices:
                words += map(str, action.choices)
    yield " ".join(path), [*(name for name, _ in below), *sorted(words)]
    for name, child in below:
        yield from words_by_path(child, (*path, name))


def bash(parser: argparse.ArgumentParser) -> str:
    """Return the completion for bash; where nothing else is known, files are completed."""
    cases = "\n".join(f'    "{path}") words="{" ".join(words)}" ;;' for path, words in words_by_path(parser))
    return f"""\
_sandtui() {{
  local current="${{COMP_WORDS[COMP_CWORD]}}" path="" word words=""
  for word in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
    case " ${{_sandtui_paths[*]}} " in *" ${{path:+${{path// /_}}_}}$word "*) path="${{path:+$path }}$word" ;; esac
  done
  case "$path" in
{cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
_sandtui_paths=({" ".join(path.replace(" ", "_") for path, _ in words_by_path(parser) if path)})
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
    for path, words in words_by_path(parser):
        parts = path.split()
        seen = [f"__fish_seen_subcommand_from {part}" for part in parts] or ["__fish_use_subcommand"]
        condition = "; and ".join(seen)
        if any(not word.startswith("-") for word in words):
            # The next word is one of these, never a file.
            rows.append(f"complete -c sandtui -n '{condition}' -f")
        for word in words:
            if word.startswith("--"):
                rows.append(f"complete -c sandtui -n '{condition}' -l {word[2:]}")
            elif word.startswith("-"):
                rows.append(f"complete -c sandtui -n '{condition}' -s {word[1:]}")
            else:
                rows.append(f"complete -c sandtui -n '{condition}' -a {word}")
    return "\n".join(rows) + "\n"
