// The saga step {{address}}: counts an account's orders, up to a limit, and takes an order off again.
// Change it into what you need: the two functions are all there is.

import { Decimal, decimal, done, id, object, optional, Rejected } from "saga-step";
import * as config from "saga-step/config";
import * as keyvalue from "saga-step/keyvalue";
import * as log from "saga-step/log";

// What of the body this step reads and writes. Members it does not name go on untouched, in order, digit for digit.
export const body = object({
  account: id,
  amount: decimal,
  // New in the body: the next step sees it.
  total: optional(decimal),
});

// What handle leaves for compensate.
export const compensationLog = decimal;

const totalOf = (account) => keyvalue.own().get(`total/${account}`, decimal) ?? new Decimal(0);

// Do the work. Writes to keyvalue commit together with the answer, if that is done; an exception means "technical, try
// again"; Rejected is a refusal, which turns the saga round.
export function handle(context, order) {
  const total = totalOf(order.account).plus(order.amount);
  const limit = config.parse("limit", (text) => new Decimal(text));
  if (limit && total.compare(limit) > 0) {
    throw new Rejected("limit-exceeded", `account ${order.account} would come to ${total}, its limit is ${limit}`);
  }
  keyvalue.own().set(`total/${order.account}`, total);
  log.info(`saga ${context.globalId}: account ${order.account} comes to ${total}`);
  return done({ ...order, total }).withCompensation(order.amount);
}

// Undo what handle did, with what it left in the log. Called only if a later step turned the saga round.
export function compensate(_context, order, added = new Decimal(0)) {
  keyvalue.own().set(`total/${order.account}`, totalOf(order.account).minus(added));
  return done(order);
}
