"""Runs the step natively, with a host made of memory."""

import unittest

import step
from saga_step.testing import TestHost

KEY = "payment/o-1/test-saga"


def order(amount: str) -> str:
    return f'{{"order-id":"o-1","item":"book","quantity":1,"amount":{amount},"gift":true}}'


class Payments(unittest.TestCase):
    def setUp(self) -> None:
        self.host = TestHost(step).manifest_in(".").context(global_id="test-saga")

    def status(self) -> str | None:
        payment = self.host.value(KEY, step.Payment)
        return payment.status if payment else None

    def test_an_order_is_charged_and_given_back(self) -> None:
        run = self.host.handle(order("1000.00"))
        self.assertEqual(run.body, order("1000.00"))
        self.assertEqual(self.status(), "charged")
        self.host.undo(run).done()
        self.assertEqual(self.status(), "refunded")

    def test_above_the_limit_nothing_is_charged(self) -> None:
        run = self.host.handle(order("1000.01"))
        self.assertEqual(run.rejected().reason, "1000.01 is above the limit of 1000")
        self.assertIsNone(self.status())


if __name__ == "__main__":
    unittest.main()
