"""The frame of the sandbox's pages."""

from html import escape as _escape
from pathlib import Path

STYLE = Path(__file__).with_name("style.css").read_bytes()


def escape(text: str) -> str:
    """Return text that is safe in HTML and in its attributes."""
    return _escape(text, quote=True)


def page(*, title: str, body: str) -> str:
    """Return a whole page; `body` is HTML, `title` is text."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - eAccounting sandbox</title>
<link rel="stylesheet" href="/_sandbox/style.css">
</head>
<body>
<header><a href="/">eAccounting</a><strong class="mark">Sandbox</strong>
<span>A stand-in for trying things out. Nothing here is real, nothing reaches Visma.</span></header>
<main>{body}</main>
</body>
</html>
"""
