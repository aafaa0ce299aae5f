"""The vocabulary that every other folder speaks: legs, items, events, commands, facts, units.

Pure: nothing here, nor in `faults`, `policy` and `flow`, knows a socket, a clock, Twisted or chance.
"""
