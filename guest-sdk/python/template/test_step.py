"""Runs the step natively, with a host made of memory."""

import unittest
from decimal import Decimal

import step
from saga_step.testing import TestHost

ORDER = '{"id":9007199254740993,"account":"a-1","amount":0.10}'


class Orders(unittest.TestCase):
    def test_orders_add_up_to_the_limit(self) -> None:
        host = TestHost(step).config("limit", "0.25")
        body = host.handle(ORDER).body
        self.assertEqual(body, '{"id":9007199254740993,"account":"a-1","amount":0.10,"total":0.10}')
        host.handle(ORDER).done()
        self.assertEqual(host.handle(ORDER).rejected().code, "limit-exceeded")
        self.assertEqual(host.value("total/a-1", Decimal), Decimal("0.20"))

    def test_undone_the_total_is_what_it_was(self) -> None:
        host = TestHost(step).config("limit", "0.25")
        first = host.handle(ORDER)
        second = host.handle(ORDER)
        host.undo(second).done()
        self.assertEqual(host.value("total/a-1", Decimal), first.compensation(Decimal))
        host.undo(first).done()
        self.assertEqual(host.value("total/a-1", Decimal), 0)


if __name__ == "__main__":
    unittest.main()
