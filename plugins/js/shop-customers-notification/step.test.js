import assert from "node:assert/strict";
import { test } from "node:test";

import { TestHost } from "saga-step/testing";

import * as step from "./step.js";

const order = '{"order-id":"o-1","item":"book","quantity":2,"amount":12.50,"customer":7}';

test("the customer is told what became of the order", () => {
  const host = new TestHost(step).manifestIn(import.meta.dirname);
  const run = host.handle(order);
  assert.equal(run.done().body, order);
  assert.equal(run.events[0].body, '{"customer":7,"text":"your order o-1 over 12.50 is complete"}');
  const undone = host.undo(run);
  undone.done();
  assert.equal(undone.events[0].body, '{"customer":7,"text":"your order o-1 was taken back"}');
});

test("an order of nobody tells nobody", () => {
  const run = new TestHost(step).manifestIn(import.meta.dirname).handle('{"order-id":"o-1","amount":1}');
  run.done();
  assert.equal(run.events.length, 0);
});
