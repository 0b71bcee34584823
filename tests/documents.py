"""The README and the documentation as tests read them: pages and their code blocks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    *(
        path
        for path in sorted((ROOT / "docs").rglob("*.md"))
        if not {"_build", "_generated"} & set(path.parts)
    ),
]


@dataclass(frozen=True)
class Block:
    """A fenced code block."""

    language: str
    line: int
    """Of its first line of code in the page, from 0."""
    code: str


def blocks(page: Path, language: str) -> list[Block]:
    """The code blocks of a page that are in one language."""
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    return [
        Block(token.info, token.map[0] + 1, token.content)
        for token in tokens
        if token.type == "fence" and token.map and token.info == language
    ]


def python_module(page: Path) -> str:
    """The Python blocks of a page as one module, in which every line has the page's number."""
    lines = [""] * page.read_text(encoding="utf-8").count("\n")
    for block in blocks(page, "python"):
        code = block.code.splitlines()
        lines[block.line : block.line + len(code)] = code
    return "\n".join(lines) + "\n"


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command in the shell blocks of a page."""
    for block in blocks(page, "sh"):
        for line in block.code.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words
