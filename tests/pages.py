"""What a page offers to press, and what a browser sends when it is pressed: read from the HTML, without scripts."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Control:
    """A button or a link. `how`: "sheet" (a link or GET form that htmx opens in the dialog), "link", "post",
    "script".
    """

    words: str
    how: str
    address: str


@dataclass
class Form:
    """A form as it stands on the page."""

    method: str
    action: str
    is_sheet: bool
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str, bool]] = field(default_factory=list)  # words, name, whether it is disabled


Attributes = dict[str, str | None]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.controls: list[Control] = []
        self.forms: list[Form] = []
        self._form: Form | None = None
        self._open: tuple[str, Attributes] | None = None
        self._words: list[str] = []
        self._select = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found: Attributes = dict(attrs)
        if tag == "form":
            is_sheet = found.get("hx-target") == "#sheet"
            self._form = Form((found.get("method") or "get").lower(), found.get("action") or "", is_sheet)
            self.forms.append(self._form)
        elif tag in ("a", "button"):
            self._open, self._words = (tag, found), []
        elif tag == "select":
            self._select = found.get("name") or ""
        elif tag == "option" and "selected" in found:
            self._add(self._select, found.get("value") or "")
        elif tag == "input":
            self._input(found)

    def _input(self, found: Attributes) -> None:
        is_off = found.get("type") in ("checkbox", "radio") and "checked" not in found
        if found.get("name") and not is_off and "disabled" not in found:
            self._add(found["name"] or "", found.get("value") or "")

    def _add(self, name: str, value: str) -> None:
        if self._form:
            self._form.fields.setdefault(name, []).append(value)

    def handle_data(self, data: str) -> None:
        self._words.append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        if self._open and tag == self._open[0]:
            self._close(*self._open, " ".join("".join(self._words).split()))
            self._open = None

    def _close(self, tag: str, found: Attributes, words: str) -> None:
        if tag == "a":
            how = "sheet" if found.get("hx-target") == "#sheet" else "link"
            self.controls.append(Control(words, how, (found.get("href") or "").split("?")[0]))
            return
        is_disabled = "disabled" in found or found.get("aria-disabled") == "true"
        if self._form and found.get("type") == "submit":
            self._form.buttons.append((words, found.get("name") or "", is_disabled))
            how = self._form.method if self._form.method == "post" else "sheet" if self._form.is_sheet else "link"
            if not is_disabled:
                self.controls.append(Control(words, how, self._form.action))
        elif not is_disabled:
            self.controls.append(Control(words, "script", ""))


def _read(page: str) -> _Reader:
    reader = _Reader()
    reader.feed(page)
    return reader


def controls(page: str) -> list[Control]:
    """Return every button and link that can be pressed."""
    return _read(page).controls


def filled(page: str, *, button: str = "") -> dict[str, list[str]]:
    """Return what the page's form with this button sends when it is pressed; its own name and value come along."""
    for form in _read(page).forms:
        for words, name, is_disabled in form.buttons:
            if form.method == "post" and words.startswith(button) and words and not is_disabled:
                return {**form.fields, **({name: ["1"]} if name else {})}
    raise AssertionError(f"there is no button {button!r} to press")
