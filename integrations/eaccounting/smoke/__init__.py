"""Questions to a real eAccounting company about what no document tells (facts.md, Unknown).

`manage.py eaccounting_smoke` asks them. Each question is one small function with its sentence; answers hold
statuses, codes and counts, never a customer's data and never a token.
"""
