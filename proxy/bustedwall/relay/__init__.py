"""ACT: sockets and timers, no decisions.

One edge-triggered epoll of our own, nested in whatever Twisted reactor runs (`poller`), moves bytes
between the two sockets of a flow (`leg`, `pipes`). Where a flow has logic, what happens is told to
it (`tcpflow`) and what it commands is performed (`perform`).
"""
