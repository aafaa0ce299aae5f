"""What becomes of the stock behind a load balancer that forgets."""

from __future__ import annotations

import subprocess
import tempfile
import threading
import time
import unittest
from pathlib import Path

import stock
import warehouse


class BehindAWall(unittest.TestCase):
    def behind(self, policy: str) -> stock.Stock:
        """Start a warehouse, and before it a bustedwall with a policy; return what asks through both."""
        server = self.enterContext(warehouse.Shelves(0))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.journal = Path(self.enterContext(tempfile.TemporaryDirectory())) / "journal"
        words = ["bustedwall", "run", "--listen", "127.0.0.1:0", "--upstream", f"127.0.0.1:{server.server_port}"]
        words += ["--policy", policy, "--journal", str(self.journal)]
        wall = self.enterContext(subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
        self.addCleanup(wall.terminate)
        _, _, address = wall.stdout.readline().split()  # listening proxy 127.0.0.1:40815
        asks = stock.Stock(address)
        self.addCleanup(asks.close)
        return asks

    def until_it_has_struck(self) -> None:
        """Wait for the policy; without it the test would pass where nothing was broken."""
        deadline = time.monotonic() + 60
        while "rule-fired" not in self.journal.read_text():
            self.assertLess(time.monotonic(), deadline, "the policy has not struck")
            time.sleep(0.01)

    def test_a_sale_after_a_silence(self) -> None:
        stock.MAX_IDLE = 1.0  # as the policy forgets after two seconds, and not after 350
        asks = self.behind("aws-nlb-idle:idle=2s")
        self.assertEqual(asks.take("bolts"), 41)
        self.until_it_has_struck()
        self.assertEqual(asks.take("bolts"), 40)

    def test_a_question_in_the_wrong_moment(self) -> None:
        asks = self.behind("http-keepalive-race")
        self.assertEqual(asks.count("nuts"), 17)
        self.assertEqual(asks.count("nuts"), 17)
        self.until_it_has_struck()
