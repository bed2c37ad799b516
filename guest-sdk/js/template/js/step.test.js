import assert from "node:assert/strict";
import { test } from "node:test";

import { decimal } from "saga-step";
import { TestHost } from "saga-step/testing";

import * as step from "./step.js";

const order = '{"id":9007199254740993,"account":"a-1","amount":0.10}';

const total = (host) => String(host.value("total/a-1", { type: decimal }));

test("orders add up to the limit", () => {
  const host = new TestHost(step).config("limit", "0.25");
  const { body } = host.handle(order).done();
  assert.equal(body, '{"id":9007199254740993,"account":"a-1","amount":0.10,"total":0.10}');
  host.handle(order).done();
  assert.equal(host.handle(order).rejected().code, "limit-exceeded");
  assert.equal(total(host), "0.20");
});

test("undone, the total is what it was", () => {
  const host = new TestHost(step).config("limit", "0.25");
  const first = host.handle(order);
  const second = host.handle(order);
  host.undo(second).done();
  assert.equal(total(host), "0.10");
  host.undo(first).done();
  assert.equal(total(host), "0.00");
});
