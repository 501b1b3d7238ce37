"""One wish, its calls, one recorded outcome. Only this package and tokens.py call out.

deliver: a worker's whole job · creating / updating: the calls · outcomes: what an answer or error means for
the row · calls: token, budget and client of one connection · live: the short reads a person waits for.
"""
