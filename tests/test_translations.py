"""The Swedish catalogue: complete, with the same placeholders, compiled, and in step with the sources."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parent.parent
FOLDER = Path("locale/sv/LC_MESSAGES")
PLACEHOLDER = re.compile(r"%\((\w+)\)[sd]|%[sd]|\{(\w*)\}")
SOURCES = ["accounts", "companies", "integrations", "limego_visma", "locale", "templates", "manage.py"]


def _read(file: Path) -> Catalog:
    with file.open("rb") as lines:
        return read_po(lines)


def _messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _forms(words: str | list[str] | tuple[str, ...] | None) -> list[str]:
    return [words or ""] if isinstance(words, str | None) else list(words)


PO = _read(ROOT / FOLDER / "django.po")


def test_nothing_is_left_untranslated_or_uncertain() -> None:
    left = [message.id for message in _messages(PO) if message.fuzzy or not all(_forms(message.string))]
    assert not left


def test_no_translation_is_kept_for_a_sentence_that_is_gone() -> None:
    assert not PO.obsolete


def test_placeholders_are_the_same_in_both_languages() -> None:
    for message in _messages(PO):
        # The last form of the source is the plural, which has every placeholder.
        wanted = sorted(PLACEHOLDER.findall(_forms(message.id)[-1]))
        for form in _forms(message.string)[-1:]:
            assert sorted(PLACEHOLDER.findall(form)) == wanted, message.id


def _by_source(catalog: Catalog) -> dict[tuple[str, str], list[str]]:
    """A message by its context and its first form: from a .mo file Babel reads lists for tuples, bytes for contexts."""
    return {(_context(message), _forms(message.id)[0]): _forms(message.string) for message in _messages(catalog)}


def _context(message: Message) -> str:
    context = message.context or ""
    return context.decode() if isinstance(context, bytes) else context


def test_the_compiled_catalogue_is_the_written_one() -> None:
    with (ROOT / FOLDER / "django.mo").open("rb") as file:
        compiled = read_mo(file)
    assert _by_source(compiled) == _by_source(PO), "Run make messages."


@pytest.mark.skipif(shutil.which("xgettext") is None, reason="GNU gettext is not installed: apt-get install gettext")
def test_every_sentence_of_the_sources_is_in_the_catalogue(tmp_path: Path) -> None:
    for name in SOURCES:
        source, target = ROOT / name, tmp_path / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    (tmp_path / "static").mkdir()
    words = ["makemessages", "--locale", "sv", "--no-location", "--no-wrap"]
    subprocess.run([sys.executable, "manage.py", *words], cwd=tmp_path, check=True, capture_output=True)
    found = {(message.context, message.id) for message in _messages(_read(tmp_path / FOLDER / "django.po"))}
    known = {(message.context, message.id) for message in _messages(PO)}
    assert found == known, "Run make messages and translate what is new."
