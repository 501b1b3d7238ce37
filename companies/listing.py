"""The company list: a page of it at a time, by the place of its first and last row instead of by number."""

from dataclasses import dataclass

from django.core import signing
from django.db.models import Prefetch, Q

from companies.models import Company, CompanyQuerySet, Contact

PAGE_SIZE = 50
_SALT = "companies.list"


@dataclass(frozen=True)
class Cursor:
    """A row's place in the list, and which side of it is wanted."""

    is_backward: bool
    name_sort: str
    company_id: int

    def __str__(self) -> str:
        return signing.dumps([self.is_backward, self.name_sort, self.company_id], salt=_SALT)

    @classmethod
    def parse(cls, value: str) -> "Cursor | None":
        """Read what `str` made; None for anything else, which means the first page."""
        try:
            return cls(*signing.loads(value, salt=_SALT))
        except signing.BadSignature:
            return None

    def rows(self, companies: CompanyQuerySet) -> CompanyQuerySet:
        """Those beyond the place. The first condition is the one that an index can start from."""
        if self.is_backward:
            before = Q(name_sort__lt=self.name_sort) | Q(id__lt=self.company_id)
            return companies.filter(Q(name_sort__lte=self.name_sort) & before)
        after = Q(name_sort__gt=self.name_sort) | Q(id__gt=self.company_id)
        return companies.filter(Q(name_sort__gte=self.name_sort) & after)


@dataclass(frozen=True)
class Page:
    """Rows in their order, and the cursors of the pages beside them ("" when there is none)."""

    companies: list[Company]
    previous: str
    next: str


def company_page(*, companies: CompanyQuerySet, cursor: str = "", size: int = PAGE_SIZE) -> Page:
    """Return the page that `cursor` names, or the first. Each row comes with its present `contacts`."""
    place = Cursor.parse(cursor)
    is_backward = place is not None and place.is_backward
    order = ("-name_sort", "-id") if is_backward else ("name_sort", "id")
    contacts = Contact.objects.filter(left_at=None).order_by("id")
    found = (place.rows(companies) if place else companies).order_by(*order)
    rows = list(found.prefetch_related(Prefetch("contacts", contacts))[: size + 1])  # one more tells of a next page
    has_more = len(rows) > size
    rows = rows[:size]
    if is_backward:
        rows.reverse()
    has_previous, has_next = (has_more, True) if is_backward else (place is not None, has_more)
    return Page(
        companies=rows,
        previous=_cursor(rows[0], is_backward=True) if rows and has_previous else "",
        next=_cursor(rows[-1], is_backward=False) if rows and has_next else "",
    )


def _cursor(company: Company, *, is_backward: bool) -> str:
    return str(Cursor(is_backward=is_backward, name_sort=company.name_sort, company_id=company.pk))
