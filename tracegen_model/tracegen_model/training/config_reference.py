"""``docs/config_reference.md``: every setting with its type, default and meaning, made from the config classes.

Write it again after changing them: ``python -m tracegen_model.training.config_reference > docs/config_reference.md``.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import typing
from typing import Any

from tracegen_model.training.overrides import SHIPPED_CONFIGS, describe_type, shipped_configs
from tracegen_model.training.run_config import RunConfig

HEAD = """\
# Settings of a training run

`tracegen train --config NAME key=value ...` reads a shipped config or a YAML file, and overrides:
`group.setting=value`, values as in YAML (`null` = none). A config needs only what differs from the defaults below.
Unknown settings and values of another type are errors. The settings of a run are kept in its folder as `config.yaml`.

This page is made from the config classes by `python -m tracegen_model.training.config_reference`.
"""

_ENTRY = re.compile(r"^(\w+): (.*)$")


def config_reference() -> str:
    """The page, as Markdown."""
    parts = [HEAD, "## Shipped configs\n", "| name | what it is |\n|---|---|"]
    parts += [f"| `{name}` | {_purpose(name)} |" for name in shipped_configs()]
    parts += ["", *_sections(RunConfig, "")]
    return "\n".join(parts)


def meanings(config: type) -> dict[str, str]:
    """What each field of a dataclass means, from the ``Attributes:`` of its docstring."""
    found: dict[str, str] = {}
    name = ""
    _, _, attributes = inspect.cleandoc(config.__doc__ or "").partition("Attributes:\n")
    for line in attributes.splitlines():
        entry = _ENTRY.match(line.strip())
        if line.startswith("    ") and not line.startswith("     ") and entry:
            name, text = entry.groups()
            found[name] = text
        elif name and line.strip():
            found[name] += " " + line.strip()
    return found


def _purpose(name: str) -> str:
    """The comment at the top of a shipped config, up to its first empty line."""
    lines = []
    for line in (SHIPPED_CONFIGS / f"{name}.yaml").read_text(encoding="utf-8").splitlines():
        text = line.removeprefix("#").strip()
        if not line.startswith("#") or not text:
            break
        lines.append(text)
    return " ".join(lines)


def _sections(config: type, place: str) -> list[str]:
    hints = typing.get_type_hints(config)
    explained = meanings(config)
    fields = dataclasses.fields(config)
    groups = [entry for entry in fields if dataclasses.is_dataclass(hints[entry.name])]
    summary = inspect.cleandoc(config.__doc__ or "").split("\n\n")[0].replace("\n", " ")
    rows = [
        f"| `{place}{entry.name}` | {describe_type(hints[entry.name])} | {_default(entry)} "
        f"| {_markdown(explained[entry.name])} |"
        for entry in fields
        if entry not in groups
    ]
    title = f"`{place.rstrip('.')}`" if place else "The run"
    table = ["| setting | type | default | meaning |", "|---|---|---|---|", *rows, ""]
    parts = [f"## {title}\n", f"{_markdown(summary)}\n", *(table if rows else [])]
    for entry in groups:
        parts += _sections(typing.cast(type, hints[entry.name]), f"{place}{entry.name}.")
    return parts


def _default(entry: dataclasses.Field[Any]) -> str:
    make = entry.default_factory
    value = entry.default if make is dataclasses.MISSING else make()
    if value is None:
        return "`null`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, float):
        return f"`{value:g}`"
    if value in ("", [], {}):
        return "empty"
    return f"`{value}`"


def _markdown(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(config_reference())
