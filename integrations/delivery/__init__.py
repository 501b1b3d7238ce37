"""The worker's side: take one push, make its calls, record one outcome.

worker: the whole job for one push. create, update: the calls. outcomes: what an answer or an error means for the push.
calls: token, slots and client of one connection, and the short reads that a person waits for. Only this
package, access/tokens.py and services/connect.py call out.
"""
