"""A linked company beside its customer: what differs, and who changed it. Pure."""

from companies.models import Company
from integrations.domain import mapping
from integrations.domain.diff import Base, Row, compare
from integrations.domain.mapping import Field, Values
from integrations.models import CustomerLink


def local_values(company: Company, link: CustomerLink) -> Values:
    """Return what an update would carry: the company and its chosen contact person, shortened where that was chosen."""
    values = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    return mapping.shortened(values, link.shorter)


def rows_of(company: Company, link: CustomerLink, *, there: Values) -> list[Row]:
    """Compare with what eAccounting holds, and with what both were when they last agreed."""
    return compare(here=local_values(company, link), there=there, base=Base(link.sent, link.answered))


def stored_otherwise(link: CustomerLink, *, there: Values) -> list[Field]:
    """Return the fields in which eAccounting answered something else than it was sent, until a person accepts it."""
    differing = set(mapping.differences(link.sent, there)) - {*link.kept}
    # A group is written whole; what is named is what differs in it.
    return [mapping.BY_PROPERTY[name] for name in mapping.to_write(link.sent, there) if name in differing]
