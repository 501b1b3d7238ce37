"""What a person reads on a company's card, and what has to be true once a create is over."""

import re
from collections.abc import Callable
from html import unescape

from companies.models import Company
from dev.sandbox.core import Sandbox
from integrations.models import CustomerLink, Push, PushState
from tests.integrations.conftest import named, posts

UP_TO_DATE = "In Visma eAccounting, up to date"

Card = Callable[..., str]


def words_of(html: str) -> str:
    """Return what a browser shows of this markup."""
    html = re.sub(r"<(svg|script|details)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def panel_words(html: str) -> str:
    """Return what the panel Visma eAccounting of a page says."""
    _, _, panel = html.partition('id="visma-eaccounting"')
    return words_of(panel.partition("</section>")[0].partition(">")[2])


def assert_one_customer(sandbox: Sandbox, company: Company, *, sent: int | None = None) -> None:
    """One customer there, one link here, the row done, and so many attempts to create."""
    there = named(sandbox, company.name)
    assert len(there) == 1
    assert str(CustomerLink.objects.get(company=company).reference) == there[0]["Id"]
    assert list(Push.objects.filter(company=company).values_list("state", flat=True)) == [PushState.DONE]
    if sent is not None:
        assert posts(sandbox) == sent
