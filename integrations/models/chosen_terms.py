"""Which terms of payment new customers get: chosen by an admin, and to be confirmed anew when they change there."""

from datetime import datetime
from typing import Any

from django.db import models

from accounts.models import User
from integrations.models.terms import TermsOfPayment

# Why no customer can get the chosen terms: codes of sentences (sentences.py).
TERMS_PROBLEMS = frozenset({"terms_not_chosen", "terms_gone", "terms_changed"})


class ChosenTerms(models.Model):
    """What a connection knows about the terms of payment for new customers."""

    default_terms = models.ForeignKey(TermsOfPayment, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    terms_confirmed_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    terms_confirmed_at = models.DateTimeField(null=True, blank=True)
    terms_read_at = models.DateTimeField(null=True, blank=True)
    # What the chosen terms were called and meant when eAccounting renamed or changed them since; None: unchanged.
    terms_were = models.JSONField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def terms_problem(self) -> str:
        """Why no customer can get the chosen terms: one of TERMS_PROBLEMS, or ""."""
        terms = self.default_terms
        if terms is None:
            return "terms_not_chosen"
        if not terms.is_choosable:
            return "terms_gone"
        if self.terms_confirmed_at is None:
            return "terms_changed" if self.terms_were else "terms_not_chosen"
        return ""

    @property
    def terms_particulars(self) -> dict[str, Any]:
        """What the sentence of a problem tells: what the chosen terms were, and what they are now."""
        terms = self.default_terms
        now = terms.meaning if terms else {}
        return {"was": self.terms_were or now, "now": now}

    def choose_terms(self, *, terms: TermsOfPayment, user: User, now: datetime) -> None:
        """Confirm the terms of payment that new customers get."""
        self.default_terms, self.terms_confirmed_by, self.terms_confirmed_at = terms, user, now
        self.terms_were = None
        self.save(update_fields=["default_terms", "terms_confirmed_by", "terms_confirmed_at", "terms_were"])

    def note_terms_read(self, *, was: TermsOfPayment | None, now: datetime) -> None:
        """Record that the list was read just now, and what it says of the chosen terms.

        `was`: these, as they were before. When they are called or mean something else than what was confirmed, they
        have to be confirmed anew; what was confirmed is kept until then.
        """
        self.terms_read_at = now
        if was is not None:
            self.default_terms = TermsOfPayment.objects.get(pk=was.pk)
            if self.terms_confirmed_at and self.default_terms.meaning != was.meaning:
                self.terms_were, self.terms_confirmed_at = was.meaning, None
        self.save(update_fields=["terms_read_at", "terms_were", "terms_confirmed_at"])
