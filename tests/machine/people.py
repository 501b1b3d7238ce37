"""What people do: here in the CRM and there in eAccounting. A refusal with a sentence is an answer, not a fault."""

from collections.abc import Callable, Collection
from typing import Any

from accounts.models import User
from companies.models import Company, Contact
from dev.sandbox.store import Document
from integrations.access.rate_limit import NoSlot
from integrations.access.token_lock import LockTaken
from integrations.delivery import calls, upkeep
from integrations.domain import mapping
from integrations.domain.diff import Side
from integrations.eaccounting.errors import EAccountingError
from integrations.eaccounting.types import Customer
from integrations.exceptions import NotConnected, Refusal
from integrations.messages.sentences import sentence
from integrations.models import Connection, CustomerLink, Kind, Origin, Push, PushState, WaitReason
from integrations.services import ask_admin as asking
from integrations.services import connect as connecting
from integrations.services.create import confirm_create_anyway
from integrations.services.link import link_company, link_possible_duplicate, unlink_company
from integrations.services.requests import cancel_push, current_connection, recheck_push
from integrations.services.try_again import repeat_push
from tests import sheets
from tests.machine.world import World
from tests.sheets import UpdatePage, seen_by_asking

UNHELPFUL = "This did not work."  # how the sentence begins that claims nothing
# Values to write into each field; a blank one is among them wherever the form allows it.
HERE: dict[str, tuple[str, ...]] = {
    "name": ("Älvstrand Snickeri AB", "Björk & Son Måleri AB", "Älvstrand Bygg AB", "Å" * 51),
    "registration_number": ("", "556016-0680", "559987-1018"),
    "phone": ("", "+46 8 123 45 67", "+46 8 999 00 11"),
    "email": ("", "info@alvstrand.example", "ny@alvstrand.example"),
    "website": ("", "https://www.alvstrand.example"),
    "address_line1": ("", "Hyvelgatan 3", "Sågvägen 9"),
    "address_line2": ("", "Box 12"),
    "postal_code": ("", "111 22", "112 21"),
    "city": ("", "Stockholm", "Uppsala"),
    "country": ("SE", "NO"),
}
PERSON: dict[str, tuple[str, ...]] = {
    "first_name": ("Åsa", "Bo"),
    "email": ("", "asa@alvstrand.example"),
    "direct_phone": ("", "+46 8 123 45 68"),
    "mobile": ("", "+46 70 174 06 05"),
}
THERE: dict[str, tuple[Any, ...]] = {
    "Note": ("", "Ring först."),
    "DiscountPercentage": (0.0, 0.25),
    "MobilePhone": ("", "070-174 06 05"),
    "DeliveryCity": ("", "Kiruna"),
    "Name": ("Kund där AB", "Älvstrand Snickeri AB"),
    "EmailAddress": (None, "dar@kund.example"),
    "InvoiceCity": (None, "Malmö"),
    "ContactPersonName": (None, "Bo Ek"),
    "IsActive": (False, True),
    "SomethingNew": ("kept", {"deep": [1, None]}),
}


class People:
    """The users of the account and their colleagues in eAccounting; remembers what was wished last."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.user: User = world.user
        # Per company: the values that were confirmed last, of which nobody has edited anything there since.
        self.wished: dict[int, mapping.Values] = {}
        self.tabs: list[UpdatePage] = []  # update sheets that stand open
        self.unlinked: set[int] = set()
        self.refusals: set[str] = set()

    def try_to(self, act: Callable[[], object]) -> bool:
        """Do it as a view does: every way of saying no has its sentence."""
        try:
            act()
        except (Refusal, calls.TooBusy, NotConnected, NoSlot, EAccountingError) as refusal:
            parameters = getattr(refusal, "parameters", {})
            words = sentence(refusal.code, {"name": "", "links": 0, **parameters})
            if words.startswith(UNHELPFUL):
                self.world.remote.book.wrongs.append(f"no sentence for {refusal.code}")
            self.refusals.add(refusal.code)
            return False
        except (LockTaken, sheets.NotTaken):
            return False
        return True

    # --- Here --------------------------------------------------------------------------------------------

    def click_create(self, company_id: int, *, with_contact: bool) -> None:
        """Fill in the create sheet; a name that is too long there is made shorter on it."""
        company = Company.objects.get(pk=company_id)
        contact = company.contacts.filter(left_at=None).first() if with_contact else None
        typed = {"Name": company.name[:50]}
        self.try_to(lambda: sheets.create(user=self.user, company=company, contact=contact, **typed))

    def click_update(self, company_id: int) -> None:
        """Open the update sheet, and confirm all that can be written of what stands here."""
        self.open_tab(company_id)
        if self.tabs and self.tabs[-1].company_id == company_id:
            self.confirm(self.tabs.pop())

    def open_tab(self, company_id: int) -> None:
        """Open the update sheet, and leave it open."""
        company = Company.objects.get(pk=company_id)
        self.try_to(lambda: self.tabs.append(sheets.update_page(company)))

    def confirm(self, tab: UpdatePage, *, leave: Collection[int] = ()) -> None:
        """Confirm an open sheet: ours wherever something stands here, apart from the rows of these numbers."""
        sides = {key: Side.THEIRS if place in leave else side for place, (key, side) in enumerate(tab.possible.items())}
        if not self.try_to(lambda: tab.confirm(user=self.user, **sides)):
            return
        wished = self.wished.setdefault(tab.company_id, {})
        for name in tab.shown:
            wished.pop(name, None)
        for row in tab.rows:
            if sides[row.key] is Side.OURS:
                wished.update(row.here)

    def edit_and_update(self, company_id: int) -> None:
        """Change the phone number, and confirm the sheet that then opens."""
        self.edit(company_id, "phone", "+46 8 999 00 12")
        self.click_update(company_id)

    def confirm_tabs(self, company_id: int, *, leave: Collection[int] = ()) -> None:
        """Confirm what stands open of a company; the phone number is edited back to what it shows before."""
        mine = [tab for tab in self.tabs if tab.company_id == company_id]
        self.tabs = [tab for tab in self.tabs if tab not in mine]
        for tab in mine:
            shown = [row.here["Telephone"] for row in tab.rows if row.key == "Telephone"]
            if shown:
                self.edit(company_id, "phone", shown[0])
            self.confirm(tab, leave=leave)

    def choose_contact(self, company_id: int) -> None:
        company = Company.objects.get(pk=company_id)
        contact = company.contacts.filter(left_at=None).order_by("-pk").first()
        if contact is None:
            return
        if self.try_to(lambda: sheets.choose_contact(user=self.user, company=company, contact=contact)):
            values = mapping.values_of(company, contact, groups=[mapping.Group.CONTACT])
            self.wished.setdefault(company_id, {}).update(values)

    def edit(self, company_id: int, field: str, value: str) -> None:
        company = Company.objects.get(pk=company_id)
        company.save_changes(now=self.world.clock.now(), values={field: value})

    def edit_contact(self, company_id: int, field: str, value: str) -> None:
        contact = Contact.objects.filter(company_id=company_id).order_by("pk").first()
        if contact:
            contact.save_changes(now=self.world.clock.now(), values={field: value})

    def change_people(self, company_id: int, *, how: str) -> None:
        """Add a person, or remove one."""
        company, now = Company.objects.get(pk=company_id), self.world.clock.now()
        first = company.contacts.order_by("pk").first()
        if how == "add":
            company.add_contact(now=now, values={"first_name": "Bo", "last_name": "Öberg", "email": "bo@o.example"})
        elif first:
            first.remove(now=now)
        self.wished.pop(company_id, None)

    def be_busy(self, company_id: int, which: int, *, how: str, edit: tuple[str, Any] | None) -> None:
        """Somebody does something here or there that asks nothing of the engine."""
        if how == "edit" and edit:
            self.edit(company_id, *edit)
        elif how == "edit there" and edit:
            self.edit_there(which, *edit)
        elif how in ("archive", "restore"):
            self.archive(company_id, back=how == "restore")
        elif how in ("add", "remove"):
            self.change_people(company_id, how=how)
        elif how == "delete there":
            self.delete_there(which)
        else:
            self.create_there(company_id)

    def archive(self, company_id: int, *, back: bool) -> None:
        company = Company.objects.get(pk=company_id)
        if back:
            company.restore()
        else:
            company.archive(now=self.world.clock.now())
        self.wished.pop(company_id, None)

    def link(self, company_id: int, which: int) -> None:
        """Paste a reference of some customer there."""
        connection = current_connection(self.user.account_id)
        rows = self.world.remote.rows(self.company_there())
        if connection is None or not rows:
            return
        company, row = Company.objects.get(pk=company_id), rows[which % len(rows)]

        def paste() -> None:
            customer = calls.read_customer(connection, customer_id=str(row["Id"]))
            link_company(
                user=self.user, company=company, connection=connection, customer=customer, origin=Origin.PASTED
            )

        if self.try_to(paste):
            self.wished.pop(company_id, None)

    def unlink(self, company_id: int) -> None:
        company = Company.objects.get(pk=company_id)
        if self.try_to(lambda: unlink_company(user=self.user, company=company)):
            self.unlinked.add(company_id)
            self.wished.pop(company_id, None)

    def cancel(self, company_id: int) -> None:
        push = Push.objects.filter(company_id=company_id).order_by("-pk").first()
        if push and self.try_to(lambda: cancel_push(user=self.user, push=push)):
            self.wished.pop(company_id, None)

    def try_again(self, company_id: int) -> None:
        push = Push.objects.filter(company_id=company_id).order_by("-pk").first()
        if push and self.try_to(lambda: repeat_push(user=self.user, push=push)) and push.kind == Kind.UPDATE:
            self.wished.pop(company_id, None)

    def decide(self, company_id: int, *, how: str, which: int = 0) -> None:
        """Answer the question of a push, as the buttons of the panel do."""
        rows = Push.objects.select_related("connection", "company").filter(company_id=company_id)
        push = rows.order_by("-pk").first()
        if push is None:
            return
        if push.is_asked_about:
            self.try_to(lambda: asking.send_parked_push(user=self.user, push=push))
        elif how == "look_again":
            self.try_to(lambda: recheck_push(push=push))
        elif how == "create_anyway":
            if self.try_to(lambda: confirm_create_anyway(user=self.user, push=push)):
                anew = self.world.remote.book.anew
                anew[push.pk] = anew.get(push.pk, 0) + 1
        elif push.candidates:
            offered = sorted(push.candidates, key=lambda one: str(one["number"]))
            self._link_instead(push, str(offered[which % len(offered)]["id"]))

    def _link_instead(self, push: Push, customer_id: str) -> None:
        def choose() -> None:
            customer: Customer = calls.read_customer(push.connection, customer_id=customer_id)
            link_possible_duplicate(user=self.user, push=push, customer=customer)

        self.try_to(choose)

    def ask_admin(self, company_id: int) -> None:
        """A user meets what only an admin can mend; the wish is parked."""
        company = Company.objects.get(pk=company_id)
        if self.try_to(lambda: asking.ask_admins(user=self.user, company=company, **seen_by_asking(company))):
            self.wished.pop(company_id, None)

    # --- The connection ------------------------------------------------------------------------------------

    def company_there(self) -> str:
        """Return the key of the eAccounting company that the account works with."""
        names = Connection.objects.filter(account_id=self.user.account_id, is_current=True)
        return "2" if names.filter(name__startswith="Fjordlys").exists() else "1"

    def connect(self, company: str) -> None:
        """Connect a company; another one than the connected one is refused."""
        self.try_to(lambda: self._begin_with(self.world.connect(company)))

    def start_over(self, company: str) -> None:
        """Leave the connected company for another one."""
        self.disconnect()
        self.connect(company)

    def _begin_with(self, connection: Connection) -> None:
        self.world.remote.book.harmed = False
        if not connection.blocked_reason and connection.default_terms is None:
            self.world.prepare(connection)

    def disconnect(self) -> None:
        connection = current_connection(self.user.account_id)
        if connection:
            self.try_to(lambda: connecting.disconnect(user=self.user, connection=connection))
            self._forget_cancelled(connection)

    def _forget_cancelled(self, connection: Connection | None) -> None:
        cancelled = Push.objects.filter(connection=connection, state=PushState.CANCELLED)
        for company_id in cancelled.values_list("company_id", flat=True):
            self.wished.pop(company_id, None)

    def reread_terms(self) -> None:
        """The list of terms is read again, and eAccounting's default is chosen."""
        connection = current_connection(self.user.account_id)
        if connection:
            self.try_to(lambda: self.world.prepare(connection))

    def rename_terms(self) -> None:
        """Somebody renames the chosen terms there, and the list is read in the night after."""
        connection = current_connection(self.user.account_id)
        if connection is None or connection.default_terms is None:
            return
        world, key = self.world.remote.world, self.company_there()
        row = world.row("terms", key, str(connection.default_terms.remote_id))
        if row:
            world.put("terms", key, {**row, "Name": f"{row['Name']}!"[:50]})
            self.try_to(lambda: upkeep.read_terms(connection.pk))

    def test_connection(self) -> None:
        connection = current_connection(self.user.account_id)
        if connection:
            self.try_to(lambda: connecting.test(connection))

    def upkeep(self) -> None:
        """What beat asks a worker to do."""
        upkeep.look_after(now=self.world.clock.now())

    # --- There ---------------------------------------------------------------------------------------------

    def edit_there(self, which: int, field: str, value: Any) -> None:
        key = self.company_there()
        rows = self.world.remote.rows(key)
        if rows:
            row = rows[which % len(rows)]
            self.world.remote.edit_by_hand(company=key, customer_id=str(row["Id"]), name=field, value=value)
            for link in CustomerLink.objects.filter(customer__customer_id=str(row["Id"])):
                self.wished.get(link.company_id, {}).pop(field, None)

    def delete_there(self, which: int) -> None:
        key = self.company_there()
        rows = self.world.remote.rows(key)
        if rows:
            row = rows[which % len(rows)]
            self.world.remote.delete(company=key, customer_id=str(row["Id"]))
            self._forget_wish(str(row["Id"]))

    def create_there(self, company_id: int) -> None:
        """Somebody types the same company in by hand."""
        company = Company.objects.get(pk=company_id)
        values = mapping.values_of(company, None, groups=mapping.COMPANY_GROUPS)
        if not mapping.problems(values):
            payload: Document = mapping.create_payload(values, is_private_person=False, terms_id="")
            self.world.remote.type_in(company=self.company_there(), payload=payload)

    def _forget_wish(self, customer_id: str) -> None:
        for link in CustomerLink.objects.filter(customer__customer_id=customer_id):
            self.wished.pop(link.company_id, None)

    # --- The end ---------------------------------------------------------------------------------------------

    def answer_everything(self, connection: Connection, decided: dict[int, int]) -> None:
        """Decide all that waits for a decision: look once more, link what is offered, else create anyway."""
        rows = Push.objects.filter(connection=connection, wait_reason=WaitReason.DECISION, finished_at=None)
        for push in rows.select_related("company").order_by("pk"):
            if push.company.is_archived:
                push.company.restore()
            turn = decided[push.pk] = decided.get(push.pk, 0) + 1
            assert turn < 8, f"push {push} asks without end: {push.candidates} {push.failure}"
            if not push.candidates:
                self.decide(push.company_id, how="look_again")
            elif turn < 3 and (free := self._free(push)):
                self._link_instead(push, free)
            else:
                self.decide(push.company_id, how="create_anyway")

    def _free(self, push: Push) -> str:
        """Return a candidate that still exists there and belongs to no company here, or nothing."""
        there = {str(row["Id"]) for row in self.world.remote.rows(self.company_there())}
        linked = {str(link.reference) for link in CustomerLink.objects.select_related("customer")}
        offered = sorted(push.candidates, key=lambda one: str(one["number"]))
        return next((one["id"] for one in offered if one["id"] in there - linked), "")
