"""The saga step shop.billing.payment: charges an order, up to a limit. Undone, the money is given back.

A real one would call a payment provider and pass `context.idempotency_key` on: the provider then charges once, even if
the host has to call this step again after a crash.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated

from saga_step import Context, Done, Id, Member, Rejected, config, keyvalue, unchanged


@dataclass
class Order:
    """What of the body this step reads. Members it does not name go on to the next step untouched."""

    order_id: Annotated[Id, Member("order-id")]
    amount: Decimal


@dataclass
class Payment:
    """A payment as it is kept."""

    amount: Decimal
    status: str


def handle(context: Context, order: Order) -> Done:
    """Charge the order, if it is not too much."""
    if order.amount < 0:
        raise Rejected("invalid-amount", f"an amount must not be below 0, this one is {order.amount}")
    limit = config.parse("limit", Decimal)
    if limit is None:
        limit = Decimal(1000)
    if order.amount > limit:
        reason = f"{order.amount} is above the limit of {limit}"
        raise Rejected("payment-refused", reason, {"amount": order.amount, "limit": limit})
    keyvalue.own().set_json(_key(context, order), Payment(order.amount, "charged"))
    return unchanged()


def compensate(context: Context, order: Order, log: None) -> Done:
    """Give the money back. The payment stays on record."""
    payments = keyvalue.own()
    key = _key(context, order)
    payment = payments.get_json(key, Payment)
    if payment is None:
        raise Rejected("unknown-payment", f"there is no {key} to give back")
    payment.status = "refunded"
    payments.set_json(key, payment)
    return unchanged()


def _key(context: Context, order: Order) -> str:
    return f"payment/{order.order_id}/{context.global_id}"
