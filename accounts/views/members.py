"""The members page: who belongs to the account, and with which role. Admins only."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import members
from accounts.access import SignedInRequest, require
from accounts.forms import InviteForm, RoleForm
from accounts.mail import set_password_url
from accounts.models import Role, User

SHOW_LINK_OF = "show_link_of"  # session key: whose link to show once; the link is not stored


def _last_admin() -> str:
    return _("This is the only admin who can log in. Make somebody else an admin first.")


@require_safe
@require(Role.ADMIN)
def members_page(request: SignedInRequest) -> HttpResponse:
    """List the members; directly after an invitation also its link, for copying."""
    people = request.account.users.order_by("-is_active", "first_name", "last_name", "email")
    shown = request.session.pop(SHOW_LINK_OF, None)
    invited = people.filter(pk=shown, is_active=True).first() if shown else None
    link = set_password_url(user=invited) if invited and invited.is_invited else ""
    context = {"members": people, "invited": invited, "link": link}
    response = render(request, "accounts/members.html", context)
    if link:
        response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@require(Role.ADMIN)
def invite_member(request: SignedInRequest) -> HttpResponse:
    """Invite somebody by e-mail."""
    form = InviteForm(request.POST or None)
    if request.method != "POST" or not form.is_valid():
        return render(request, "accounts/invite.html", {"form": form})
    wish = {**form.cleaned_data, "role": Role(form.cleaned_data["role"])}
    try:
        user = members.invite(account=request.account, now=timezone.now(), **wish)
    except members.AddressTaken:
        form.add_error("email", _("Somebody already logs in with this address. Look in the list of members."))
        return render(request, "accounts/invite.html", {"form": form})
    request.session[SHOW_LINK_OF] = user.pk
    messages.success(request, _("%(name)s is invited. The e-mail with the link is on its way.") % {"name": user})
    return redirect("accounts:members")


@require_http_methods(["GET", "HEAD", "POST"])
@require(Role.ADMIN)
def member_page(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Show a member and change their role."""
    member = get_object_or_404(request.account.users, pk=user_id)
    form = RoleForm(request.POST or None, initial={"role": member.role})
    if request.method == "POST" and form.is_valid() and _changed_role(request, member, form):
        messages.success(request, _("The role of %(name)s is changed.") % {"name": member})
        return redirect("accounts:settings" if member == request.user else "accounts:members")
    return render(request, "accounts/member.html", {"member": member, "form": form})


def _changed_role(request: SignedInRequest, member: User, form: RoleForm) -> bool:
    try:
        members.change_role(account=request.account, member=member, role=Role(form.cleaned_data["role"]))
    except members.LastAdmin:
        form.add_error("role", _last_admin())
        return False
    return True


@require_POST
@require(Role.ADMIN)
def member_link(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Send the invitation again, and show its link once."""
    member = get_object_or_404(request.account.users, pk=user_id, is_active=True)
    if not member.is_invited:
        messages.info(request, _("%(name)s has already chosen a password.") % {"name": member})
    elif members.send_password_link(user=member, now=timezone.now()):
        request.session[SHOW_LINK_OF] = member.pk
        messages.success(request, _("The invitation to %(name)s is sent again.") % {"name": member})
    else:
        request.session[SHOW_LINK_OF] = member.pk
        messages.info(
            request,
            _("The last e-mail was sent only a few minutes ago. Copy the link instead, or try again in a while."),
        )
    return redirect("accounts:members")


@require_POST
@require(Role.ADMIN)
def member_deactivate(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Deactivate a member's login."""
    member = get_object_or_404(request.account.users, pk=user_id)
    try:
        members.deactivate(account=request.account, member=member)
    except members.LastAdmin:
        messages.error(request, _last_admin())
        return redirect("accounts:member", user_id=user_id)
    messages.success(request, _("%(name)s is deactivated and logged out.") % {"name": member})
    return redirect("accounts:members")


@require_POST
@require(Role.ADMIN)
def member_reactivate(request: SignedInRequest, user_id: int) -> HttpResponse:
    """Activate a member's login again."""
    member = get_object_or_404(request.account.users, pk=user_id)
    member.reactivate()
    messages.success(request, _("%(name)s can log in again.") % {"name": member})
    return redirect("accounts:members")
