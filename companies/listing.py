"""The company list, paged by the position of its first and last row instead of by page number (keyset paging)."""

from dataclasses import dataclass

from django.core import signing
from django.db.models import Prefetch, Q, Value
from django.db.models.functions import Concat

from companies.models import Company, CompanyQuerySet, Contact

PAGE_SIZE = 50
_LOOKED_THROUGH = 2000  # rows; takes some milliseconds
_signer = signing.Signer(salt="companies.list")  # signed without a time: a position in the list does not expire


@dataclass(frozen=True)
class Cursor:
    """A row's position in the list, and whether the rows before or after it are wanted."""

    is_backward: bool
    name_sort: str
    company_id: int

    def __str__(self) -> str:
        return _signer.sign_object([self.is_backward, self.name_sort, self.company_id])

    @classmethod
    def parse(cls, value: str) -> "Cursor | None":
        """Read what `str` made; None for anything else, which means the first page."""
        try:
            return cls(*_signer.unsign_object(value))
        except signing.BadSignature:
            return None

    def rows(self, companies: CompanyQuerySet) -> CompanyQuerySet:
        """Return the rows beyond the position. The first condition is the one that an index can start from."""
        if self.is_backward:
            before = Q(name_sort__lt=self.name_sort) | Q(id__lt=self.company_id)
            return companies.filter(Q(name_sort__lte=self.name_sort) & before)
        after = Q(name_sort__gt=self.name_sort) | Q(id__gt=self.company_id)
        return companies.filter(Q(name_sort__gte=self.name_sort) & after)


@dataclass(frozen=True)
class Page:
    """The rows in order, and the cursors of the previous and next page ("" if there is none)."""

    companies: list[Company]
    previous: str
    next: str


def company_page(*, companies: CompanyQuerySet, query: str = "", cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """Return the page that `cursor` names, or the first one. Each row has its present `contacts`."""
    place = Cursor.parse(cursor)
    is_backward = place is not None and place.is_backward
    rows = _rows(place.rows(companies) if place else companies, query=query, is_backward=is_backward, limit=size + 1)
    has_more = len(rows) > size  # one more than shown, to know whether there is a next page
    rows = rows[:size]
    if is_backward:
        rows.reverse()
    has_previous, has_next = (has_more, True) if is_backward else (place is not None, has_more)
    return Page(
        companies=rows,
        previous=_cursor(rows[0], is_backward=True) if rows and has_previous else "",
        next=_cursor(rows[-1], is_backward=False) if rows and has_next else "",
    )


def _rows(companies: CompanyQuerySet, *, query: str, is_backward: bool, limit: int) -> list[Company]:
    """Return the first `limit` companies that match.

    A common word is found quickly by walking along the list, a rare one by the trigram index. PostgreSQL would have to
    guess which it is, and a wrong guess takes seconds (a word of 1 % of the names, all of them under Ö). So the
    beginning of the list is searched first, and only then the index.
    """
    order = ("-name_sort", "-id") if is_backward else ("name_sort", "id")
    contacts = Prefetch("contacts", Contact.objects.filter(left_at=None).order_by("id"))
    if not query.strip():
        return list(companies.order_by(*order).prefetch_related(contacts)[:limit])
    beginning = Company.objects.filter(pk__in=companies.order_by(*order).values("pk")[:_LOOKED_THROUGH])
    near = list(beginning.matching(query).order_by(*order).prefetch_related(contacts)[:limit])
    if len(near) == limit:
        return near
    by_value = Concat("name_sort", Value(""))  # an order that no index has, so that the list is not walked along
    sought = companies.matching(query).order_by(by_value.desc() if is_backward else by_value.asc(), order[1])
    return list(sought.prefetch_related(contacts)[:limit])


def _cursor(company: Company, *, is_backward: bool) -> str:
    return str(Cursor(is_backward=is_backward, name_sort=company.name_sort, company_id=company.pk))
