"""Search in the index of a connection's customers, and likely duplicates in it.

For display only: whether a create is safe is decided by asking eAccounting (delivery/create.py).
"""

from uuid import UUID

from django.db.models import Q, QuerySet

from companies import formats
from companies.models import Company, Contact
from companies.search import fold, matching, name_sort
from integrations.delivery.duplicate_look import look_now
from integrations.domain.duplicates import PossibleDuplicate, Reason, core_words, in_common, likeness, own_domain
from integrations.domain.mapping import Values, owned
from integrations.models import Connection, CustomerLink, Push, RemoteCustomer
from integrations.models.remote_customer import HOME

LIMIT, SUGGESTIONS = 8, 5
LONGEST_QUERY, MOST_WORDS = 100, 6
# Most rows looked at for one word: of a common word only the first ones that PostgreSQL finds are sorted.
_LOOKED_AT = 1000
_CANDIDATES = 30  # for each kind of match
_NEIGHBOURS = 10  # in the order of names, before and after
_STEM = 4  # letters
_LIKE, _LIKE_IN_SAME_CITY = 0.6, 0.5  # see likeness
_SHARED = 5  # a domain that more customers share tells nothing

Rows = QuerySet[RemoteCustomer]


def find(*, connection: Connection, query: str, limit: int = LIMIT) -> list[RemoteCustomer]:
    """Return the customers that a text may mean, matches by number first. `company_here` needs no further query.

    The text is a customer number, a registration number in any form, or words. Removed customers are left out.
    """
    query = " ".join(query.replace("\0", " ")[:LONGEST_QUERY].split()[:MOST_WORDS])
    if not query:
        return []
    present = _present(connection)
    start = name_sort(query, country=_country(connection))
    kinds = [
        present.filter(_same_number(query)).order_by("id")[:limit],
        present.filter(_starting(start)).order_by("name_sort", "id")[:limit],
        _by_words(present, query)[:limit],
    ]
    if query.isdecimal():
        kinds.append(present.filter(search_text__contains=f" {query}", number__startswith=query)[:limit])
    found = sorted(_whole(kinds), key=lambda row: (_place(row, query, start), row.name_sort, row.pk))
    return found[:limit]


def _present(connection: Connection) -> Rows:
    return RemoteCustomer.objects.filter(connection=connection, gone_at=None)


def _country(connection: Connection) -> str:
    return connection.country or HOME


def _same_number(query: str) -> Q:
    same = Q(number__in=[query, query.upper()])
    keys = formats.registration_keys(query, "")
    return same | Q(registration_key__in=keys) if keys else same


def _starting(start: str) -> Q:
    """Return names that begin with the text, as a range that an index serves; the end is the greatest character."""
    return Q(name_sort__gte=start, name_sort__lt=f"{start}\U0010ffff")


def _by_words(present: Rows, query: str) -> Rows:
    some = present.filter(matching(query)).values("pk")[:_LOOKED_AT]
    return RemoteCustomer.objects.filter(pk__in=some).order_by("name_sort", "id")


def _whole(kinds: list[Rows]) -> list[RemoteCustomer]:
    """Return the rows of all kinds, each once, with the company that is linked to it. Two queries."""
    first, *others = (kind.values_list("pk", flat=True) for kind in kinds)
    ids = list(first.union(*others, all=True))
    return list(RemoteCustomer.objects.filter(pk__in=ids).select_related("link__company").order_by("name_sort", "id"))


def _place(row: RemoteCustomer, query: str, start: str) -> int:
    """Return how close a row is to the text; 0 is closest."""
    if row.number.casefold() == query.casefold():
        return 0
    if row.registration_key and row.registration_key in formats.registration_keys(query, ""):
        return 1
    if row.number.startswith(query):
        return 2
    return 3 if row.name_sort.startswith(start) else 4


def similar(
    *, connection: Connection, company: Company, contact: Contact | None = None, limit: int = SUGGESTIONS
) -> list[PossibleDuplicate]:
    """Return customers that may already be this company, the likeliest first. Two queries, each of them bounded."""
    domains = {own_domain(email) for email in (company.email, contact.email if contact else "")} - {""}
    rows = _whole(_candidates(connection, company, domains))
    told = _telling(rows, domains)
    found = [possible for row in rows if (possible := _possible(row, company, told))]
    return sorted(found, key=_likelihood)[:limit]


def _candidates(connection: Connection, company: Company, domains: set[str]) -> list[Rows]:
    present, words = _present(connection), core_words(company.name)[:MOST_WORDS]
    stems = [word[:_STEM] for word in words[:2]]
    name = name_sort(company.name, country=_country(connection))
    kinds = [
        *(_alike(present, beginnings) for beginnings in (words, stems) if beginnings),
        present.filter(name_sort__gte=name).order_by("name_sort", "id")[:_NEIGHBOURS],
        present.filter(name_sort__lt=name).order_by("-name_sort", "-id")[:_NEIGHBOURS],
    ]
    keys = _keys(company)
    if keys:
        kinds.append(present.filter(registration_key__in=keys).order_by("id")[:_CANDIDATES])
    # Without the top-level domain: half of all customers share "se", and the index would have to read them all.
    stems_of_domains = [fold(domain).rpartition(".")[0] for domain in sorted(domains)]
    return kinds + [present.filter(search_text__contains=f"@{stem}.")[:_CANDIDATES] for stem in stems_of_domains]


def _keys(company: Company) -> tuple[str, ...]:
    return formats.registration_keys(company.registration_number, str(company.country))


def _alike(present: Rows, beginnings: list[str]) -> Rows:
    """Return the rows with words that begin like these."""
    condition = Q()
    for beginning in beginnings:
        condition &= Q(search_text__contains=f" {beginning}")
    return present.filter(condition)[:_CANDIDATES]


def _telling(rows: list[RemoteCustomer], domains: set[str]) -> set[str]:
    """Return the domains that few customers share; one that many have belongs to an e-mail provider."""
    theirs = [own_domain(row.email) for row in rows]
    return {domain for domain in domains if theirs.count(domain) <= _SHARED}


def _possible(row: RemoteCustomer, company: Company, domains: set[str]) -> PossibleDuplicate | None:
    """Say why this customer could be the company, or None."""
    alike = likeness(row.name, company.name)
    same_city = bool(row.city) and fold(row.city).split() == fold(company.city).split()
    reasons = {
        Reason.SAME_NUMBER: row.registration_key in _keys(company),
        Reason.SIMILAR_NAME: alike >= (_LIKE_IN_SAME_CITY if same_city else _LIKE),
        Reason.SAME_EMAIL_DOMAIN: own_domain(row.email) in domains,
    }
    reasons[Reason.SAME_CITY] = same_city and reasons[Reason.SIMILAR_NAME]
    true = tuple(reason for reason in Reason if reasons.get(reason))
    return PossibleDuplicate.of_row(row, company=company, reasons=true, likeness=alike) if true else None


def _likelihood(possible: PossibleDuplicate) -> tuple[bool, bool, float]:
    """Sort key: same registration number first, then both name and domain, then how alike the names are."""
    reasons = possible.reasons
    return (
        Reason.SAME_NUMBER not in reasons,
        not {Reason.SIMILAR_NAME, Reason.SAME_EMAIL_DOMAIN} <= set(reasons),
        -possible.likeness - 0.1 * (Reason.SAME_CITY in reasons),
    )


def ask_for_duplicates(*, connection: Connection, company: Company, values: Values) -> list[PossibleDuplicate]:
    """Ask eAccounting for customers that may be the company with these values, as delivery does before a create.

    Raises TooBusy, NotConnected and every EAccountingError.
    """
    customers = look_now(connection, values=values)
    links = links_to([customer.id for customer in customers], connection=connection)
    return [
        PossibleDuplicate.of_answer(
            customer,
            company=company,
            link=links.get(customer.id),
            reasons=tuple(in_common(values, owned(customer.raw))),
        )
        for customer in customers
    ]


def stopped_at(push: Push, *, values: Values) -> list[PossibleDuplicate]:
    """Return the possible duplicates at which a create with these values stopped, as they were found then."""
    links = links_to([stored["id"] for stored in push.candidates], connection=push.connection_id)
    return [
        PossibleDuplicate.of_stored(stored, company=push.company, link=links.get(stored["id"]), values=values)
        for stored in push.candidates
    ]


def links_to(customer_ids: list[str], *, connection: Connection | int) -> dict[str, CustomerLink]:
    """Return the links to these customers by customer id, each with its company."""
    links = CustomerLink.of_customers([UUID(one) for one in customer_ids], connection=connection)
    return {str(link.reference): link for link in links.select_related("company", "customer")}
