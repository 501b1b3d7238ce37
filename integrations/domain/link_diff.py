"""A linked company compared with its customer: what differs, and who changed it. Pure."""

from companies.models import Company
from integrations.domain import mapping
from integrations.domain.diff import Base, Row, compare
from integrations.domain.mapping import Field, Values
from integrations.models import CustomerLink


def local_values(company: Company, link: CustomerLink) -> Values:
    """Return what an update would send: the company and its contact person, with the shorter forms chosen before."""
    values = mapping.values_of(company, link.contact, groups=mapping.groups_for(link.contact))
    return mapping.shortened(values, link.shorter)


def rows_of(company: Company, link: CustomerLink, *, there: Values) -> list[Row]:
    """Compare the company with what eAccounting holds, and with both as they were last agreed on."""
    return compare(here=local_values(company, link), there=there, base=Base(link.sent, link.answered))


def stored_otherwise(link: CustomerLink, *, there: Values) -> list[Field]:
    """Return the fields that eAccounting stored differently from what it was sent, until a person accepts them."""
    differing = set(mapping.differences(link.sent, there)) - {*link.kept}
    # A group is written whole, but only the fields that differ are named.
    return [mapping.BY_PROPERTY[name] for name in mapping.to_write(link.sent, there) if name in differing]
