# SPDX-License-Identifier: GPL-3.0-or-later
"""Lays our pages out for Sphinx: one folder, docs/README.md as its index, and that index's tables as the navigation."""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/crossvirt/crossvirt.lifecycle/blob/main/"
INDEX = ROOT / "docs/README.md"
ELSEWHERE = {INDEX: "index.md", ROOT / "CONTRIBUTING.md": "contributing.md"}
REFERENCE = "Reference"  # the heading of the index below which the modules come
KINDS = ("module", "inventory", "role")  # of what the reference describes, as its files are called
LINK = re.compile(r"(?<=\]\()(?!https?:|#)([^)#]+)")


def pages() -> dict[Path, str]:
    """Return our pages, each with its name on the site."""
    return {page: page.name for page in sorted((ROOT / "docs").glob("*.md"))} | ELSEWHERE


def moved(page: Path) -> str:
    """Return the text of a page with links that hold on the site: to its pages, and to the repository for all else."""
    names = pages()

    def target(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(page.parent / link[1]))
        return names.get(path) or REPOSITORY + path.relative_to(ROOT).as_posix()

    return LINK.sub(target, page.read_text())


def navigation(index: str, reference: Path) -> str:
    """Return a table of contents for each heading of the index, of the pages that its tables link."""
    trees = []
    for caption, body in re.findall(r"^## (.+)\n((?:(?!## ).*\n?)*)", index, re.MULTILINE):
        trees.append(tree(caption, [link[1].removesuffix(".md") for link in LINK.finditer(body) if "/" not in link[1]]))
        if caption == REFERENCE:
            trees.append(tree("Modules and plugins", ["Overview <reference/index>", *plugins(reference)]))
    return "\n".join(trees)


def plugins(reference: Path) -> list[str]:
    """Return the generated pages by the short names of what they describe."""
    found = ((page.stem.removesuffix(f"_{kind}"), kind) for kind in KINDS for page in reference.glob(f"*_{kind}.rst"))
    return [
        f"{name if kind == 'module' else f'{name} ({kind})'} <reference/{name}_{kind}>" for name, kind in sorted(found)
    ]


def tree(caption: str, entries: list[str]) -> str:
    """Return a table of contents in Sphinx's words, for the margin of every page."""
    lines = "\n".join(dict.fromkeys(entries))
    return f"```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{lines}\n```\n"


def lay_out(folder: Path) -> None:
    """Write all pages into a folder that has the reference already, beside what docs/docsite has for them."""
    shutil.copytree(ROOT / "docs/docsite", folder, dirs_exist_ok=True)
    for page, name in pages().items():
        text = moved(page)
        if page == INDEX:
            text += "\n" + navigation(text, folder / "reference")
        (folder / name).write_text(text)


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]))
