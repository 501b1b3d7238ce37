"""The contacts of a company: add, edit, mark as having left, remove."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from accounts.access import SignedInRequest, require
from accounts.models import Role
from companies.access import get_company
from companies.editing import save_contact
from companies.forms import ContactForm
from companies.models import Contact


def _contact(request: SignedInRequest, company_id: int, contact_id: int) -> Contact:
    contacts = Contact.objects.filter(account=request.account, company_id=company_id)
    return get_object_or_404(contacts.select_related("company__account"), pk=contact_id)


@contextmanager
def _gone_is_not_found() -> Iterator[None]:
    """Answer 404 if somebody removed the contact meanwhile."""
    try:
        yield
    except Contact.DoesNotExist as error:
        raise Http404 from error


@require(Role.USER)
def add_contact(request: SignedInRequest, company_id: int) -> HttpResponse:
    """Add a contact to a company."""
    company = get_company(request, company_id)
    form = ContactForm(request.POST if request.method == "POST" else None, company=company, contact=None)
    if form.is_valid():
        contact = company.add_contact(now=timezone.now(), values=form.values())
        messages.success(request, _("%(name)s is added as a contact.") % {"name": contact})
        return redirect("companies:card", company_id=company.pk)
    return render(request, "companies/contact_form.html", {"company": company, "contact": None, "form": form})


@require(Role.USER)
def edit_contact(request: SignedInRequest, company_id: int, contact_id: int) -> HttpResponse:
    """Edit a contact."""
    contact = _contact(request, company_id, contact_id)
    data = request.POST if request.method == "POST" else None
    form = ContactForm(data, company=contact.company, contact=contact)
    if form.is_valid() and _saved(contact, form):
        messages.success(request, _("%(name)s is saved.") % {"name": contact})
        return redirect("companies:card", company_id=company_id)
    context = {"company": contact.company, "contact": contact, "form": form}
    return render(request, "companies/contact_form.html", context)


def _saved(contact: Contact, form: ContactForm) -> bool:
    with _gone_is_not_found():
        return save_contact(contact, form, now=timezone.now())


@require(Role.USER)
@require_POST
def mark_contact_left(request: SignedInRequest, company_id: int, contact_id: int) -> HttpResponse:
    """Record that a contact no longer works there."""
    contact = _contact(request, company_id, contact_id)
    with _gone_is_not_found():
        contact.mark_left(now=timezone.now())
    messages.success(request, _("%(name)s is marked as no longer working there.") % {"name": contact})
    return redirect("companies:card", company_id=company_id)


@require(Role.USER)
@require_POST
def mark_contact_returned(request: SignedInRequest, company_id: int, contact_id: int) -> HttpResponse:
    """Record that a contact works there again."""
    contact = _contact(request, company_id, contact_id)
    with _gone_is_not_found():
        contact.mark_returned(now=timezone.now())
    messages.success(request, _("%(name)s is marked as working there again.") % {"name": contact})
    return redirect("companies:card", company_id=company_id)


@require(Role.USER)
def remove_contact(request: SignedInRequest, company_id: int, contact_id: int) -> HttpResponse:
    """Ask first, then delete a contact."""
    contact = _contact(request, company_id, contact_id)
    if request.method != "POST":
        context = {"company": contact.company, "contact": contact}
        return render(request, "companies/contact_remove.html", context)
    with _gone_is_not_found():
        contact.remove(now=timezone.now())
    messages.success(request, _("%(name)s is removed.") % {"name": contact})
    return redirect("companies:card", company_id=company_id)
