"""A client of the control API, for tests and scripts: the standard library only, blocking, typed.

    with Client("127.0.0.1:8474") as client:
        web = client.proxy("web")
        with web.policy("gave-up-rst", give_up="1s"):
            ...                                     # the code under test
            client.wait_fired("gave-up-rst")

An address is `HOST:PORT`, `http://HOST:PORT` or `unix:PATH`. One client is for one thread.
"""

from bustedwall.client.client import Client, How, NotMetError
from bustedwall.client.effect import Effect
from bustedwall.client.link import ControlError, Json
from bustedwall.client.proxy import Proxy, Use, Value

__all__ = ["Client", "ControlError", "Effect", "How", "Json", "NotMetError", "Proxy", "Use", "Value"]
