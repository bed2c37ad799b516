"""The saga step {{address}}: counts an account's orders, up to a limit, and takes an order off again.

Change it into what you need: the two functions are all there is.
"""

from dataclasses import dataclass
from decimal import Decimal

from saga_step import Context, Done, Id, Rejected, config, done, keyvalue, log


@dataclass
class Order:
    """What of the body this step reads and writes. Members it does not name go on untouched, digit for digit."""

    account: Id
    amount: Decimal
    # New in the body: the next step sees it.
    total: Decimal | None = None


def handle(context: Context, order: Order) -> Done:
    """Do the work. Writes to `keyvalue` commit together with the answer, if that is done; an exception means
    "technical, try again"; `Rejected` is a refusal, which turns the saga round.
    """
    totals = keyvalue.own()
    key = f"total/{order.account}"
    total = totals.get_json(key, Decimal, Decimal(0)) + order.amount
    limit = config.parse("limit", Decimal)
    if limit is not None and total > limit:
        raise Rejected("limit-exceeded", f"account {order.account} would come to {total}, its limit is {limit}")
    totals.set_json(key, total)
    log.info("saga %s: account %s comes to %s", context.global_id, order.account, total)
    order.total = total
    return done(order, compensation=order.amount)


def compensate(context: Context, order: Order, added: Decimal | None) -> Done:
    """Undo what `handle` did, with what it left in the log. Called only if a later step turned the saga round."""
    totals = keyvalue.own()
    key = f"total/{order.account}"
    total = totals.get_json(key, Decimal, Decimal(0))
    totals.set_json(key, total - (added or 0))
    return done(order)
