"""The company that a request is about."""

from django.shortcuts import get_object_or_404

from accounts.access import SignedInRequest
from companies.models import Company


def get_company(request: SignedInRequest, company_id: int) -> Company:
    """Return a company of the person's account, archived ones included. Raises Http404 for any other id."""
    return get_object_or_404(Company.objects.of(request.account), pk=company_id)
