"""The HTTP API: one more door to what signals and the command file can do, and to more.

Nothing here may be imported before a reactor is chosen: klein installs one.
"""
