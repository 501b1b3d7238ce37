"""Who may do what at the addresses of the composition: machines ask these, without a login."""

from tests.rights import Case

CASES = [
    Case("healthz", needs=None),
    Case("readyz", needs=None),
]
