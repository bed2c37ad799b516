import assert from "node:assert/strict";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import * as saga from "saga-step";
import * as config from "saga-step/config";
import * as events from "saga-step/events";
import * as keyvalue from "saga-step/keyvalue";
import * as log from "saga-step/log";
import { TestHost } from "saga-step/testing";

const {
  bigint,
  Decimal,
  decimal,
  document,
  done,
  Id,
  id,
  list,
  object,
  optional,
  Rejected,
  Retry,
  text,
  unchanged,
  Wait,
} = saga;
const compensate = saga.nothingToUndo;
const order = object({ amount: decimal, account: optional(id), note: optional(text) });

function hostOf(handle, more = {}) {
  return new TestHost({ handle, compensate, ...more });
}

test("a body without a declared type is a plain object, and what was left alone keeps its digits", () => {
  const host = hostOf((_, body) => done({ ...body, note: "<paid> & é", left: undefined }));
  const run = host.handle(' {"z":9007199254740993123, "amount":12.10,"2":1,"1":2,"left":1,"__proto__":{"x":1.0}}');
  assert.equal(
    run.done().body,
    ' {"z":9007199254740993123, "amount":12.10,"2":1,"1":2,"__proto__":{"x":1.0},"note":"<paid> & é"}',
  );
});

test("a declared type reads decimals, bigints and ids, and writes back only what changed", () => {
  const body = object({ amount: decimal, count: bigint, account: id, lines: list(object({ n: bigint })) });
  const host = hostOf(
    (_, given) => {
      given.amount = given.amount.plus("0.20");
      given.count += 1n;
      given.lines.push({ n: 2n ** 64n });
      assert.ok(given.account.equals("42"));
      return done(given);
    },
    { body },
  );
  const run = host.handle(
    '{"amount":0.10,"Amount":true, "count":9007199254740993,"account":42,"lines":[{"n":1,"p":1.0}]}',
  );
  assert.equal(
    run.done().body,
    '{"amount":0.30,"Amount":true, "count":9007199254740994,"account":42,"lines":[{"n":1,"p":1.0},{"n":18446744073709551616}]}',
  );
});

test("a body of another type is refused for good, in words", () => {
  const host = hostOf(unchanged, { body: order, compensationLog: decimal });
  for (const body of ['{"amount":true}', '{"amount":1,"account":1.5}', "[]", '"x"', "{}"]) {
    assert.equal(host.handle(body).rejected().code, saga.INVALID_BODY, body);
  }
  assert.match(host.handle('{"amount":true}').rejected().reason, /\/amount is true, expected is a decimal number/);
  assert.match(host.handle("{}").rejected().reason, /\/amount is missing/);
  assert.equal(host.compensate('{"amount":1}', '{"a":1}').rejected().code, saga.INVALID_COMPENSATION_LOG);
});

test("a body that is nested too deep is refused for good, and goes on if it is left alone", () => {
  const nested = (levels) => `{"n":${"[".repeat(levels)}${"]".repeat(levels)}}`;
  const changing = hostOf((_, given) => done({ ...given, note: 1 }));
  assert.equal(changing.handle(nested(199)).done().body, nested(199).replace(/.$/, ',"note":1}'));
  const { code, reason } = changing.handle(nested(200)).rejected();
  assert.equal(code, "invalid-body");
  assert.match(reason, /nested deeper than 200 levels$/);
  assert.equal(
    hostOf(() => unchanged())
      .handle(nested(5000))
      .done().body,
    nested(5000),
  );
  // One that was refused leaves nothing behind.
  changing.handle(nested(199)).done();
});

test("what is thrown becomes an answer", () => {
  let thrown;
  const host = hostOf(() => {
    throw thrown;
  });
  const run = (error) => {
    thrown = error;
    return host.handle("{}");
  };
  const cause = new Error("no route");
  assert.match(
    run(new Error("asking the bank", { cause })).retry().reason,
    /^Error: asking the bank: Error: no route\n/,
  );
  const refused = run(new Error("above", { cause: new Rejected("no-money", "3 are missing", [3]) })).rejected();
  assert.deepEqual(refused, { code: "no-money", reason: "3 are missing", details: "[3]" });
  assert.deepEqual(run(new Retry("later", { afterMs: 1500 })).retry(), { reason: "later", afterMs: 1500 });
  assert.deepEqual(run(new Wait("customer/42", "is not there", { timeoutMs: 60_000 })).waits(), {
    key: "customer/42",
    reason: "is not there",
    timeoutMs: 60_000,
  });
  assert.equal(run("a text").retry().reason, "a text");
  assert.equal(run(undefined).retry().reason, "undefined");
});

test("an exception that nobody declared tells where it was thrown, and nothing of the SDK", () => {
  const deep = () => undefined.paper;
  const reason = hostOf(() => deep())
    .handle("{}")
    .retry().reason;
  assert.match(reason, /^TypeError: .*paper/);
  assert.match(reason, /at deep \(.*step\.test\.js:\d+/);
  assert.doesNotMatch(reason, /run\.js/);
});

test("a step that answers nothing, or a promise, is told what to do", () => {
  assert.match(
    hostOf(() => {})
      .handle("{}")
      .retry().reason,
    /return done\(body\)/,
  );
  assert.match(
    hostOf(async () => unchanged())
      .handle("{}")
      .retry().reason,
    /take `async` away/,
  );
});

test("a module without its functions is told at once", () => {
  assert.throws(() => new TestHost({ handle: unchanged }), /exports no function compensate/);
  assert.throws(() => new TestHost({ handle: unchanged, compensate, body: {} }), /is no type/);
});

function everything(_, body) {
  const own = keyvalue.own();
  const sum = (own.get("sum", decimal) ?? new Decimal("0")).plus(body.amount);
  log.info(`amount ${body.amount}`);
  own.set("sum", sum);
  events.emit("a.b.c.in", { a: "<" });
  events.signal("k/1");
  const limit = config.parse("limit", (text) => new Decimal(text));
  if (limit && sum.compare(limit) > 0) throw new Rejected("limit", `${sum} is above ${limit}`);
  return done(body);
}

test("effects stay only if the answer is done", () => {
  const host = hostOf(everything, { body: order }).config("limit", "10");
  const run = host.handle({ amount: 5 });
  run.done();
  assert.deepEqual(run.events, [{ topic: "a.b.c.in", body: '{"a":"<"}' }]);
  assert.deepEqual(run.signals, ["k/1"]);
  assert.ok(run.logged("amount 5"));
  assert.equal(String(host.value("sum", { type: decimal })), "5");
  const refused = host.handle({ amount: 6 });
  assert.equal(refused.rejected().code, "limit");
  assert.deepEqual([refused.events, refused.signals], [[], []]);
  assert.equal(String(host.value("sum", { type: decimal })), "5");
});

test("keys come page by page, and a bucket that is not shared is refused", () => {
  const host = hostOf(() => {
    const bucket = keyvalue.shared("orders");
    for (const key of ["é", "f", "b", "a", "c", "d"]) bucket.set(key, key);
    bucket.delete("d");
    assert.deepEqual(
      [bucket.has("d"), bucket.has("é"), bucket.get("é"), bucket.get("d")],
      [false, true, "é", undefined],
    );
    assert.deepEqual(bucket.keys(), ["a", "b", "c", "f", "é"]);
    assert.throws(() => keyvalue.shared("strangers").get("a"), /no shared bucket strangers/);
    return unchanged();
  }).shared("orders");
  host.handle("{}").done();
  assert.deepEqual(host.keys("orders"), ["a", "b", "c", "f", "é"]);
});

test("what the manifest does not grant is refused", () => {
  const folder = mkdtempSync(join(tmpdir(), "saga-step-"));
  const manifest =
    'grants = ["keyvalue", # and\n  "events",\n]\n[events]\ntopics = ["a.b.d.in"]\n[config]\n"x" = \'#1\'\n';
  writeFileSync(join(folder, "shop.test.step.toml"), manifest);
  const host = hostOf(everything, { body: order }).manifestIn(folder);
  assert.equal(host.context.address, "shop.test.step");
  assert.match(host.handle({ amount: 1 }).retry().reason, /topic is refused: a.b.c.in is not among/);
  const asked = hostOf(() => done(config.all()))
    .manifestIn(folder)
    .handle("{}")
    .retry().reason;
  assert.match(asked, /not granted/);
});

test("undo hands back the body and the log", () => {
  const host = hostOf((_, body) => done(body).withCompensation(new Decimal("0.10")), {
    compensationLog: document,
    compensate: (context, body, left) => done({ ...body, left, why: context.failure.code }),
  });
  assert.equal(host.undo(host.handle('{"a":1.0}')).done().body, '{"a":1.0,"left":0.10,"why":"refused"}');
});

test("a document changes only what is set or deleted", () => {
  const body = new saga.Document('{"z":1.10, "lines":[{"n":1.0},{"n":2.0}], "a/b":null}');
  body.set("/lines/1/n", 7);
  assert.ok(body.delete("/lines/0"));
  body.set("/a~1b", "x").set("/lines/-", true).set("/new", []);
  assert.equal(String(body), '{"z":1.10, "lines":[{"n":7},true], "a/b":"x","new":[]}');
  assert.throws(() => body.set("/none/x", 1), /nothing can be set at/);
  assert.equal(body.delete("/none"), false);
  assert.equal(String(body.get("/z", decimal)), "1.10");
});

test("numbers keep their digits", () => {
  for (const digits of [
    "0",
    "12.10",
    "-0.50",
    "9007199254740993",
    "0.00000000000000000001",
    "-123456789012345678901.5",
  ]) {
    assert.equal(String(new Decimal(digits)), digits);
  }
  for (const [given, want] of [
    ["1e3", "1000"],
    ["1.25E+1", "12.5"],
    ["5e-2", "0.05"],
  ]) {
    assert.equal(String(new Decimal(given)), want);
  }
  for (const given of ["", "-", ".", ".5", "5.", "1_000", "+1", "--1", "1e", "1e99", "nan", "1".repeat(40), 0.1]) {
    assert.throws(() => new Decimal(given), TypeError, String(given));
  }
  const sum = new Decimal("0.1").plus("0.20");
  assert.ok(sum.equals("0.3") && String(sum) === "0.30" && sum.minus(sum).sign() === 0);
  assert.throws(() => sum + 1, /plus/);
  assert.equal(String(Decimal.fromUnits(1210, 2).negated()), "-12.10");
});

test("ids are kept as they came", () => {
  assert.ok(new Id("42").equals(42));
  assert.equal(id.parse('"\\u0061"').jsonText(), '"\\u0061"');
  assert.throws(() => id.parse('""'), /expected is an identifier/);
});
