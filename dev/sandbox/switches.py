"""What nobody has measured at eAccounting (facts.md, Unknown): switches, by default on the strict side."""

from dataclasses import dataclass, fields
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Switches:
    """How the sandbox behaves where the facts are silent."""

    duplicate_number_status: int = 400
    duplicate_number_code: int = 4000
    """4000, or 2000: a field rule that names CustomerNumber."""
    accept_duplicate_numbers: bool = False
    unknown_id_status: int = 404
    unknown_id_body: bool = True
    """Whether that answer has a body of eAccounting's."""
    accept_empty_strings: bool = False
    accept_unknown_on_create: bool = False
    refuse_read_only_on_replace: bool = False
    retry_after_header: bool = False
    rotate_refresh_tokens: bool = True
    answer_same_refresh_token: bool = True
    """Without rotation: whether a refresh answers the refresh token again or leaves it out."""
    allow_number_change: bool = True
    allow_private_person_change: bool = True
    reformat_on_store: bool = False
    """Store registration numbers without hyphen and phone numbers without spaces."""
    check_vat_country: bool = True
    opaque_access_tokens: bool = False
    know_startswith_and_in: bool = False
    """Whether `$filter` knows these two; we never use them."""
    mind_case_in_eq: bool = True
    filter_receivables: bool = True
    invoice_moves_customer: bool = False
    need_api_module: bool = True
    """Refuse a company whose ActivatedModules lacks api_standard."""
    limit_per_company: bool = False
    """Whether each company has calls of its own, or all companies of a client share them."""
    limit_window_slides: bool = True

    def changed(self, *, values: dict[str, object]) -> Self:
        """Return the switches with some set. Raises ValueError for an unknown name or a wrong type."""
        known = {item.name: getattr(self, item.name) for item in fields(self)}
        for name, value in values.items():
            if name not in known or type(value) is not type(known[name]):
                raise ValueError(f"{name} is no switch, or {value!r} is not for it")
        return type(self)(**(known | values))
