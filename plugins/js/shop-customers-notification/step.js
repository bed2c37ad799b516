// The saga step shop.customers.notification: tells the customer of an order that it is complete.
// What was said cannot be unsaid: undone, the customer is told that the order was taken back.

import { decimal, id, object, optional, unchanged } from "saga-step";
import * as events from "saga-step/events";

// What of the body this step reads. Members it does not name go on untouched.
export const body = object({
  "order-id": id,
  amount: decimal,
  // Who ordered. An order over the counter has nobody to be told.
  customer: optional(id),
});

export function handle(_context, order) {
  return tell(order, `your order ${order["order-id"]} over ${order.amount} is complete`);
}

export function compensate(_context, order) {
  return tell(order, `your order ${order["order-id"]} was taken back`);
}

// The event leaves with the commit of this call: told once, and only of what happened.
function tell({ customer }, text) {
  if (customer !== undefined) {
    events.emit("shop.customers.notifications", { customer, text });
  }
  return unchanged();
}
