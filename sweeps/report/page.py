"""A page of pictures as one HTML file, without external resources or scripts."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from pulsatile.sweeps.analysis.provenance import PROVENANCE
from pulsatile.sweeps.disk.files import write_all, writing
from pulsatile.sweeps.errors import NOT_CLINICAL, FolderRefuses

NO_FACT = "none: not from a stored run"
"""In place of a fact that the page's results do not have, as the digest of runs that were not stored."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1f2937; background: #fff; max-width: 1200px; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 0; } h2 { font-size: 1.25rem; margin: 2.5rem 0 0.4rem; }
p { max-width: 50rem; } code { font-size: 0.9em; overflow-wrap: anywhere; }
.note { border-left: 4px solid #d97706; padding: 0.2rem 0.8rem; background: #fffbeb; }
figure { margin: 0.5rem 0 0; } figure img { max-width: 100%; height: auto; }
figcaption { color: #4b5563; max-width: 50rem; }
table { border-collapse: collapse; font-size: 0.85rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.15rem 0.7rem 0.15rem 0; border-bottom: 1px solid #e5e7eb; vertical-align: top; }
footer { margin-top: 3rem; border-top: 1px solid #6b7280; font-size: 0.85rem; color: #4b5563; }
dl { display: grid; grid-template-columns: max-content auto; gap: 0.1rem 1rem; }
dd { margin: 0; overflow-wrap: anywhere; }
th { border-bottom-color: #6b7280; } td.number, th.number { text-align: right; white-space: nowrap; }
""".strip()


@dataclass(frozen=True)
class Picture:
    """A PNG with its alternative text and a caption."""

    png: bytes
    alt: str
    caption: str = ""

    def html(self) -> str:
        """Return the picture as HTML."""
        data = base64.b64encode(self.png).decode()
        caption = f"<figcaption>{escape(self.caption)}</figcaption>" if self.caption else ""
        return f'<figure><img alt="{escape(self.alt)}" src="data:image/png;base64,{data}">{caption}</figure>'


@dataclass(frozen=True)
class Table:
    """Rows of texts under a head; the columns ``numbers`` are aligned as numbers."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    numbers: frozenset[int] = frozenset()

    def html(self) -> str:
        """Return the table as HTML."""

        def line(cells: Sequence[str], tag: str) -> str:
            kinds = (' class="number"' if k in self.numbers else "" for k in range(len(cells)))
            cells_html = (f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))
            return f"<tr>{''.join(cells_html)}</tr>"

        body = "\n".join(line(row, "td") for row in self.rows)
        return f"<table><thead>{line(self.head, 'th')}</thead>\n<tbody>{body}</tbody></table>"


Part = Picture | Table | str


def page(
    kind: str, title: str, lead: Sequence[str], sections: Sequence[tuple[str, Sequence[Part]]],
    provenance: Mapping[str, str],
) -> str:  # fmt: skip
    """Return an HTML page.

    Parameters
    ----------
    kind : what the page is, "sensitivity" for example; `write_page` replaces a page by one of the same kind only
    title : title of the page
    lead : paragraphs below the title
    sections : headings, each with its pictures, tables and paragraphs (plain text)
    provenance : the facts of `sweeps.analysis.provenance`, shown at the foot
    """
    parts = [f"<h1>{escape(title)}</h1>", f'<p class="note">{NOT_CLINICAL}</p>', *(f"<p>{escape(t)}</p>" for t in lead)]
    for heading, content in sections:
        parts.append(f"<section><h2>{escape(heading)}</h2>")
        parts += [f"<p>{escape(part)}</p>" if isinstance(part, str) else part.html() for part in content]
        parts.append("</section>")
    facts = (f"<dt>{name}</dt><dd>{escape(provenance.get(name, NO_FACT))}</dd>" for name in PROVENANCE)
    parts.append(f"<footer><p>Where this page comes from:</p><dl>{''.join(facts)}</dl></footer>")
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{_mark(kind)}<title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _mark(kind: str) -> str:
    return f'<meta name="generator" content="pulsatile {kind}">'


def refuse_other_file(path: Path, kind: str) -> None:
    """Raise `FolderRefuses` where ``path`` is there and is not a page of this kind, which a new one may replace."""
    if path.is_dir():
        raise FolderRefuses(f"{path} is a folder; give the name of a file, for example {path / 'page.html'}.")
    if path.exists():
        with path.open("rb") as file:
            head = file.read(1000)
        if _mark(kind).encode() not in head:
            raise FolderRefuses(f"{path} is there and is no {kind} page; it is left as it is: give another name.")


def write_page(path: Path, html: str, kind: str) -> Path:
    """Write a page to a file and return its path; `FolderRefuses` where another kind of file is there."""
    refuse_other_file(path, kind)
    with writing(path):
        write_all(path.absolute().parent, {path.name: html.encode()})
    return path
