"""The simulated XAPI of the tests: its server, its storage manager and a small xe. See server.py
for how to start it.
"""
