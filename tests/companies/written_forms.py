"""The written forms of values, country by country: what the tests check, and what docs/values.md shows.

One row for each form: everything in `typed` is put into `form`, and compares as equal to it. `form` is None where what
is typed is refused. Country "" means any. After a change: `make values`, which writes docs/values.md anew.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.companies.registration_numbers import REGISTERS, WRITTEN

REGISTRATION, VAT = "registration number", "VAT number"
POSTAL, PHONE, EMAIL, WEBSITE, TEXT = "postal code", "phone", "e-mail", "website", "text"


class Row(NamedTuple):
    """One form, or one reason to refuse, with what people type."""

    kind: str
    country: str
    form: str | None
    typed: tuple[str, ...]
    why: str


class Same(NamedTuple):
    """Values that are kept as they are typed, and compare as equal."""

    kind: str
    country: str
    values: tuple[str, ...]
    why: str


# fmt: off  # tables: one line for each form
_NUMBERS = (
    *(
        Row(REGISTRATION, country, form, (form, *others), register)
        for (country, (form, others)), register in zip(WRITTEN.items(), REGISTERS, strict=True)
    ),
    Row(
        REGISTRATION,
        "SE",
        "556677-8899",
        tuple(f"556677{dash}8899" for dash in "\u2010\u2011\u2012\u2013\u2014\u2212\u00ad"),
        "pasted from PDF and Word",
    ),
    Row(
        REGISTRATION,
        "SE",
        "121212+1212",
        ("19121212-1212", "191212121212", "121212+1212"),
        "+ from the year of the 100th birthday: folkbokföringslagen 18 §",
    ),
    Row(
        REGISTRATION,
        "SE",
        "121212-1212",
        ("20121212-1212", "121212-1212", "1212121212"),
        "without century and sign: the younger one",
    ),
    Row(REGISTRATION, "SE", "556703-7485", ("556703+7485", "16556703-7485"), "a company has no age"),
    Row(
        REGISTRATION,
        "SE",
        "202100-5489",
        ("202100-5489", "202100548901", "162021005489"),
        "a company's number may begin like a century",
    ),
    Row(REGISTRATION, "AX", "0112038-9", ("01120389", "112038-9", "FI01120389"), "in Finland's register"),
    Row(REGISTRATION, "SJ", "923 609 016", ("923609016", "NO923609016MVA"), "in Norway's register"),
    Row(
        REGISTRATION,
        "NO",
        "000 000 000",
        ("000000000", "NO 000 000 000 MVA"),
        "a placeholder: kept with a warning, identifies nobody",
    ),
    Row(REGISTRATION, "NO", "999 999 999", ("999999999",), "a placeholder: kept with a warning, identifies nobody"),
    Row(
        REGISTRATION,
        "FI",
        "0000000-0",
        ("00000000", "FI00000000"),
        "a placeholder: kept with a warning, identifies nobody",
    ),
    Row(REGISTRATION, "NL", "00000000", ("0000 0000",), "a placeholder: kept with a warning, identifies nobody"),
    Row(
        REGISTRATION,
        "SE",
        None,
        ("000000-0000", "999999-9999", "556677-8890", "55667788", "B5566778899"),
        "a placeholder, or no number",
    ),
    Row(REGISTRATION, "DK", None, ("00000000", "99999999", "13585629"), "a placeholder, or a wrong check digit"),
    Row(REGISTRATION, "FI", None, ("0112038-8", "201256-7"), "a wrong check digit"),
    Row(
        REGISTRATION,
        "NL",
        None,
        ("1234567", "NL004495445B01"),
        "no number of the chamber: the VAT number has other digits",
    ),
    Row(VAT, "SE", "SE556677889901", ("556677-8899 01", "se556677\u2010889901", "SE 556677889901"), "Skatteverket"),
    Row(VAT, "NO", "NO 923 609 016 MVA", ("923609016", "923609016 MVA", "NO923609016"), "Brønnøysundregistrene"),
    Row(VAT, "SJ", "NO 923 609 016 MVA", ("923609016MVA",), "in Norway's register"),
    Row(VAT, "FI", "FI01120389", ("0112038-9", "112038-9", "FI 01120389"), "Vero"),
    Row(VAT, "AX", "FI01120389", ("0112038-9", "FI01120389"), "in Finland's register"),
    Row(VAT, "DK", "DK13585628", ("13 58 56 28", "DK 13585628"), "Skat"),
)

_POSTAL_CODES = (
    Row(POSTAL, "SE", "111 22", ("111 22", "11122", "SE-111 22", "S-11122", "SE11122", "111-22"), "PostNord"),
    Row(POSTAL, "NO", "0150", ("0150", "NO-0150", "N-0150", "01 50"), "Posten"),
    Row(POSTAL, "DK", "8660", ("8660", "DK-8660", "DK 8660"), "PostNord"),
    Row(POSTAL, "FI", "00550", ("00550", "FI-00550", "005 50"), "Posti"),
    Row(POSTAL, "NL", "1234 AB", ("1234 AB", "1234ab", "NL-1234 AB"), "PostNL"),
    Row(POSTAL, "LV", "LV-1010", ("LV-1010", "1010", "LV1010", "lv 1010"), "UPU: the letters belong to the form"),
    Row(POSTAL, "LT", "04340", ("LT-04340", "04340"), "library"),
    Row(POSTAL, "EE", "69501", ("69501", "EE-69501"), "library"),
    Row(POSTAL, "PL", "00-950", ("00-950", "00950", "00 950", "PL-00950"), "Poczta Polska"),
    Row(POSTAL, "PT", "1000-205", ("1000-205", "1000205", "1000 205"), "CTT"),
    Row(POSTAL, "GI", "GX11 1AA", ("GX11 1AA", "GX111AA", "gx11-1aa"), "library"),
    Row(POSTAL, "CZ", "110 00", ("110 00", "11000", "CZ-110 00"), "Česká pošta"),
    Row(POSTAL, "SK", "010 01", ("010 01", "01001"), "library"),
    Row(POSTAL, "GR", "151 24", ("151 24", "15124"), "library"),
    Row(POSTAL, "GB", "SW1A 1AA", ("SW1A 1AA", "SW1A1AA", "sw1a-1aa"), "Royal Mail"),
    Row(POSTAL, "GB", "M2 5BQ", ("M2 5BQ", "M25BQ"), "Royal Mail: the last three stand apart"),
    Row(POSTAL, "GB", "BFPO 61", ("BFPO 61", "BFPO61"), "library"),
    Row(POSTAL, "IE", "D02 AF30", ("D02 AF30", "D02AF30", "d02-af30"), "Eircode"),
    Row(POSTAL, "IE", None, ("Dublin 4", "4"), "the library takes any seven letters; Eircode has digits"),
    Row(POSTAL, "IM", "IM2 1AA", ("IM2 1AA", "IM21AA"), "library"),
    Row(POSTAL, "JE", "JE1 1AA", ("JE1 1AA", "JE11AA"), "library"),
    Row(POSTAL, "GG", "GY1 1AA", ("GY1 1AA", "GY11AA"), "library"),
    Row(POSTAL, "MT", "VCT 1753", ("VCT 1753", "VCT1753"), "MaltaPost"),
    Row(POSTAL, "CA", "K1A 0B1", ("K1A 0B1", "K1A0B1", "k1a-0b1"), "Canada Post"),
    Row(POSTAL, "JP", "154-0023", ("154-0023", "1540023", "１５４−００２３"), "library"),
    Row(POSTAL, "BR", "40301-110", ("40301-110", "40301110"), "library"),
    Row(POSTAL, "FR", "75008", ("75008", "75 008", "F-75008"), "La Poste"),
    Row(POSTAL, "US", "22162-1010", ("22162-1010", "22162 1010", "221621010"), "USPS"),
    Row(POSTAL, "IR", "1193612345", ("11936-12345", "1193612345"), "eAccounting takes ten characters"),
    Row(POSTAL, "AD", "AD500", ("AD500", "500", "AD 500"), "the letters belong to the form"),
    Row(POSTAL, "AX", "22100", ("22100", "AX-22100", "FI-22100"), "served by Posti"),
    Row(POSTAL, "SJ", "9170", ("9170", "NO-9170", "N-9170", "SJ-9170"), "served by Posten"),
    Row(POSTAL, "GL", "3900", ("3900", "DK-3900", "GL-3900"), "written with Denmark's letters"),
    Row(POSTAL, "FO", "100", ("100", "DK-100", "FO-100", "FO100"), "written with Denmark's letters"),
    Row(POSTAL, "DE", "12345", ("12345", "D-12345", "DE 12345"), "library"),
    Row(POSTAL, "AE", "any thing", (" any  thing ",), "the country has none: nothing is checked"),
    Row(
        POSTAL, "SE", "111 22", ("111\u201122", "111\u00a022", "111\u200b22", "11122\ufeff"), "copied from Word or PDF"
    ),
    Row(POSTAL, "SE", None, ("1112", "NO-0150", "111 22 1"), "not five digits"),
    Row(POSTAL, "NO", None, ("11122", "SE-0150"), "not four digits"),
    Row(POSTAL, "LV", None, ("LV-101", "LT-1010"), "not four digits"),
    Row(POSTAL, "PL", None, ("00-95", "000-950"), "not five digits"),
)

_LETTERS = "letters would be dialled, or would vanish"
_PHONES = (
    Row(
        PHONE, "SE", "+46 8 123 45 67", ("08-123 45 67", "081234567", "0046 8 1234567", "+46 (0)8 123 45 67"), "library"
    ),
    Row(PHONE, "SE", "+46 8 463 39 00", ("Tel: 08-463 39 00", "Tfn 08-463 39 00", "tel:+46-8-4633900"), "a mere label"),
    Row(PHONE, "SE", "+47 22 12 34 56", ("+47 22 12 34 56", "004722123456"), "another country"),
    Row(PHONE, "NO", "02800", ("02800", "028 00", "+47 02800"), "Norwegian plan: 02000–09999, dialled as they are"),
    Row(PHONE, "NO", "04045", ("04045", "+47 04045"), "Norwegian plan: 02000–09999, dialled as they are"),
    Row(PHONE, "NO", "04800", ("04800",), "Norwegian plan: 02000–09999, dialled as they are"),
    Row(PHONE, "SJ", "05050", ("05050", "+47 05050"), "Norwegian plan"),
    Row(PHONE, "SE", "+47 02800", ("+47 02800",), "as dialled from Sweden"),
    Row(PHONE, "SE", "114 14", ("114 14",), "short: the library's own data"),
    Row(PHONE, "SE", "1177", ("1177",), "short: the library's own data"),
    Row(PHONE, "SE", "112", ("112",), "short: the library's own data"),
    Row(PHONE, "DK", "1813", ("1813",), "short: the library's own data"),
    Row(PHONE, "FI", "116117", ("116117",), "short: the library's own data"),
    Row(PHONE, "AX", "116117", ("116117",), "short: Finland's"),
    Row(PHONE, "FR", "3949", ("3949",), "short: the library's own data"),
    Row(PHONE, "DE", "115", ("115",), "short: the library's own data"),
    Row(
        PHONE,
        "SE",
        "+46 8 463 39 00 ext. 12",
        (
            "08-463 39 00 ankn 12",
            "08-463 39 00, ankn. 12",
            "08-463 39 00 anknytning 12",
            "08-463 39 00 (ankn 12)",
            "08-463 39 00 ext 12",
            "08-463 39 00 x12",
            "08-463 39 00 #12",
        ),
        "extension",
    ),
    Row(PHONE, "DK", "+45 33 92 33 92 ext. 12", ("33 92 33 92 lokal 12", "33923392 lokalnr. 12"), "extension"),
    Row(PHONE, "NO", "+47 22 00 10 00 ext. 12", ("22 00 10 00 internt 12", "22 00 10 00 internnr 12"), "extension"),
    Row(
        PHONE,
        "FI",
        "+358 9 123456 ext. 12",
        (
            "09 123456 alanr 12",
            "09 123456 alanumero 12",
            "09 123456 ala-nro 12",
        ),
        "extension",
    ),
    Row(PHONE, "NL", "+31 20 123 4567 ext. 12", ("020 123 4567 toestel 12",), "extension"),
    Row(
        PHONE, "SE", None, ("08-463 39 00 vx", "08-463 39 00 växel", "vx 08-463 39 00", "08-463 39 00 vx 12"), _LETTERS
    ),
    Row(PHONE, "SE", None, ("070-123 4 mob", "08-463 39 00 (Eva)", "Fax 08-463 39 00", "abc"), _LETTERS),
    Row(PHONE, "NO", None, ("22 00 10 00 sentralbord",), _LETTERS),
    Row(PHONE, "FI", None, ("040 12345 Eva", "09 123456 vaihde"), _LETTERS),
    Row(PHONE, "DE", None, ("030 12345 kont",), _LETTERS),
    Row(PHONE, "AT", None, ("01 5260 mob",), _LETTERS),
    Row(PHONE, "US", None, ("1-800-FLOWERS",), _LETTERS),
    Row(PHONE, "SE", None, ("113 14", "08-463 39 00/01", "+47 04045"), "no number, or none from there"),
    Row(
        PHONE,
        "SE",
        "+46 8 463 39 00",
        (
            "08\u2011463 39 00",
            "08\u2212463 39 00",
            "08-463\u200b39 00",
            "\u200e08-463 39 00\u202c",
        ),
        "copied from Word, PDF or a page",
    ),
)

_OUTSIDE = "nobody outside reaches it"
_WEB = (
    Row(EMAIL, "", "Anna.Ek@nordvik.example", ("Anna.Ek@NORDVIK.example", " Anna.Ek@Nordvik.Example "), "RFC 5321 2.4"),
    Row(
        EMAIL,
        "",
        "anna@nordvik.example",
        (
            "anna@nordvik.example\u200b",
            "anna\u00ad@nordvik.example",
            "\ufeffanna@nordvik.example",
            "anna@\u2060nordvik.example",
            "anna@nordvik.example\u200e",
        ),
        "invisible: a mail to it bounces",
    ),
    Row(EMAIL, "", "x" * 64 + "@nordvik.example", ("x" * 64 + "@NORDVIK.example",), "RFC 5321 4.5.3.1.1"),
    Row(EMAIL, "", None, ("x" * 65 + "@nordvik.example",), "RFC 5321 4.5.3.1.1"),
    Row(EMAIL, "", None, ("info@localhost", "info@server.local", "anna@[192.168.0.1]", "anna@192.168.0.11"), _OUTSIDE),
    Row(EMAIL, "", None, ("anna@", "anna", "@nordvik.example", "anna@nordvik", "mailto:a@b.example"), "no address"),
    Row(
        WEBSITE,
        "",
        "https://nordvik.example",
        (
            "nordvik.example",
            "https://nordvik.example/",
            "https://nordvik.example:443",
            "HTTPS://Nordvik.example:443/",
            "https://nordvik.example.",
            "https://nordvik.example:",
        ),
        "RFC 3986 6.2.3",
    ),
    Row(
        WEBSITE,
        "",
        "http://nordvik.example",
        ("http://nordvik.example:80/", "http://NORDVIK.example"),
        "RFC 3986 6.2.3",
    ),
    Row(WEBSITE, "", "https://nordvik.example:8443", ("https://nordvik.example:8443/",), "RFC 3986 6.2.3"),
    Row(
        WEBSITE, "", "https://nordvik.example/Om", ("nordvik.example/Om", "nord\u00advik.example/Om\u200b"), "path kept"
    ),
    Row(WEBSITE, "", "https://nordvik.example/?a=b", ("nordvik.example?a=b",), "RFC 3986 6.2.3"),
    Row(WEBSITE, "", None, ("localhost", "http://localhost:8000", "server.local", "http://192.168.0.1"), _OUTSIDE),
    Row(
        WEBSITE, "", None, ("nordvik", "https://a:b@c.example", "mailto:a@b.example", "http://[::1]/"), "no web address"
    ),
)

_TEXTS = (
    Row(
        TEXT,
        "",
        "Nordvik AB",
        (
            "  Nordvik   AB ",
            "Nordvik\u00a0AB",
            "Nordvik\tAB",
            "Nordvik\u2028AB",
            "Nordvik\r\nAB",
            "Nordvik\u2800AB",
        ),
        "white space: one space",
    ),
    Row(
        TEXT,
        "",
        "Nordvik AB",
        (
            "Nord\u200bvik AB",
            "Nord\u00advik AB",
            "\ufeffNordvik AB",
            "Nordvik\u2060 AB",
            "\u200eNordvik AB\u202c",
            "Nordvik AB\u034f",
            "Nordvik AB\u3164",
            "Nordvik AB\ufe0f",
            "Nordvik AB\U000e0041",
            "Nord\u0000vik\u0007 AB",
        ),
        "invisible: Unicode Cf, Cc, fillers, variation selectors",
    ),
    Row(TEXT, "", "Åkeri Öst", ("A\u030akeri O\u0308st", "A\u200b\u030akeri Öst"), "composed"),
    Row(
        TEXT,
        "",
        "",
        ("\u200b", " \u00a0 ", "\u00ad\ufeff\u2060", "\u3164", "\u2800", "\u200e\u200f"),
        "nothing else is blank",
    ),
)
# fmt: on

ROWS: tuple[Row, ...] = (*_NUMBERS, *_POSTAL_CODES, *_PHONES, *_WEB, *_TEXTS)
SAME = (
    Same(PHONE, "SE", ("114 14", "11414", "114-14"), "short numbers: with and without spaces"),
    Same(PHONE, "FR", ("3949", "39 49"), "short numbers: with and without spaces"),
    Same(EMAIL, "", ("info@åkeri.example", "info@xn--keri-poa.example", "info@ÅKERI.example"), "RFC 5891"),
    Same(WEBSITE, "", ("https://åkeri.example", "xn--keri-poa.example/"), "RFC 5891"),
)

# Refused when they are typed: other words stand around the number. Stored in eAccounting they are found all the same.
FOUND = (
    Same(REGISTRATION, "SE", ("556677-8899", "Kund 12 556677-8899", "556677-8899, godk. för F-skatt"), "by its digits"),
    Same(REGISTRATION, "NO", ("923 609 016", "NO 923 609 016 MVA Foretaksregisteret"), "by its digits"),
    Same(REGISTRATION, "DK", ("13585628", "Firma, CVR: 13 58 56 28"), "by its digits"),
    Same(REGISTRATION, "FI", ("0201256-6", "Yritys 201256-6"), "by its digits"),
    Same(REGISTRATION, "NL", ("12345678", "Utrecht KvK 12345678"), "by its digits"),
)


def cases(*kinds: str) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield kind, country, what is typed and its form, for each of these kinds (all without any)."""
    for row in ROWS:
        if not kinds or row.kind in kinds:
            for typed in row.typed:
                yield row.kind, row.country, typed, row.form
