"""Registration numbers for tests: made up with right check digits, and the ways in which five registers write them."""

from hypothesis import strategies as st
from stdnum import luhn

DIGITS = st.text("0123456789", min_size=6, max_size=6)

# Country → the form that is stored here, and the others in which somebody may have stored it or look for it.
WRITTEN: dict[str, tuple[str, tuple[str, ...]]] = {
    "SE": (
        "556677-8899",
        (
            *("5566778899", "556677 8899", "16556677-8899", "165566778899", "16 556677-8899", "556677\u20118899"),
            *("SE556677889901", "SE 556677889901", "SE5566778899", "556677889901", "SE556677-8899"),
            *("Org.nr 556677-8899", "org nr: 5566778899", "55 66 77-88 99"),
        ),
    ),
    "NO": (
        "923 609 016",
        (
            *("923609016", "923.609.016", "923\u00a0609\u00a0016", "NO 923609016", "NO923609016", "NO923609016MVA"),
            *("923609016 MVA", "923 609 016 MVA", "NO 923 609 016 MVA", "Org.nr 923 609 016", "Orgnr. 923609016 MVA"),
        ),
    ),
    "DK": (
        "13585628",
        (
            *("13 58 56 28", "1358 5628", "DK13585628", "DK 13585628", "DK-13585628", "DK 13 58 56 28"),
            *("CVR 13585628", "CVR-nr.: 13 58 56 28", "CVR13585628"),
        ),
    ),
    "FI": (
        "0201256-6",
        (
            *("201256-6", "02012566", "2012566", "FI02012566", "FI 0201256-6", "FI-02012566", "0201256\u20126"),
            *("Y-tunnus 201256-6", "FO-nummer: 0201256-6"),
        ),
    ),
    "NL": (
        "12345678",
        (
            "12 34 56 78",
            "1234 5678",
            "12.34.56.78",
            "NL12345678",
            "KVK 12345678",
            "KvK-nummer: 12345678",
            "KVK12345678",
        ),
    ),
}
REGISTERS = ("Bolagsverket", "Brønnøysundregistrene", "CVR", "YTJ", "KVK")
FORMS = [
    (country, form, written)
    for country, (form, others) in WRITTEN.items()
    for written in dict.fromkeys((form, *others))
]


def with_check_digit(nine: str) -> str:
    """Return ten digits of a Swedish number."""
    return nine + luhn.calc_check_digit(nine)


COMPANIES = st.builds(
    lambda kind, third, rest: with_check_digit(f"{kind}{third}{rest}"),
    st.sampled_from(["55", "70", "80", "96"]),
    st.sampled_from("23456789"),
    DIGITS,
)
PEOPLE = st.builds(
    lambda born, serial: with_check_digit(f"{born:%y%m%d}{serial:03}"),
    st.dates(),
    st.integers(min_value=0, max_value=999),
)
COORDINATED = PEOPLE.map(lambda ten: with_check_digit(f"{ten[:4]}{int(ten[4:6]) + 60}{ten[6:9]}"))
