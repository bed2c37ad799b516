// The conformance step in JavaScript: does what its body says. See ../README.md.

import {
  bigint,
  decimal,
  Document,
  document,
  done,
  list,
  object,
  optional,
  Rejected,
  replaced,
  Retry,
  text,
  unchanged,
  Wait,
} from "saga-step";
import * as config from "saga-step/config";
import * as events from "saga-step/events";
import * as keyvalue from "saga-step/keyvalue";
import * as log from "saga-step/log";

export const body = object({
  do: text,
  to: optional(text),
  note: optional(text),
  amount: optional(decimal),
  plus: optional(decimal),
  count: optional(bigint),
  inner: optional(object({ note: optional(text) })),
  items: optional(list(object({ name: text, count: bigint }))),
});

export const compensationLog = document;

let calls = 0;

export function handle(context, given) {
  calls += 1;
  const act = acts[given.do] ?? stops[given.do];
  if (act === undefined) throw new Error(`there is no act ${given.do}`);
  return act(given, context) ?? done(given);
}

export function compensate(context, given, left) {
  const stop = stops[given.do];
  if (stop !== undefined) return stop(given, context) ?? done(given);
  return done({ ...given, note: left?.text() ?? "(none)" });
}

// Both functions do these.
const stops = {
  reject(given) {
    throw new Rejected(given.to, `refused: ${given.note}`, { note: given.note });
  },
  retry(given) {
    throw new Retry(given.to, { afterMs: given.count });
  },
  wait(given) {
    throw new Wait(given.to, given.note, { timeoutMs: given.count });
  },
  error(given) {
    throw new Error(given.to);
  },
  panic(given) {
    deep(given.to);
  },
  context(given, context) {
    const { globalId, useCase, useCaseVersion, address, position, direction, attempt, idempotencyKey, failure } =
      context;
    const { deadline, signalled } = context;
    const fields = [globalId, useCase, useCaseVersion, address, position, direction, attempt, idempotencyKey];
    fields.push(deadline, signalled, context.header("trace"));
    if (failure) fields.push(failure.position, failure.address, failure.kind, failure.code, failure.reason);
    given.note = fields.map((field) => field ?? "-").join(" ");
  },
};

const acts = {
  unchanged: () => unchanged(),
  set(given) {
    given.note = given.to;
  },
  remove(given) {
    delete given.note;
  },
  inner(given) {
    given.inner.note = given.to;
  },
  item(given) {
    given.items.find(({ name }) => name === given.to).count += 1n;
  },
  append(given) {
    given.items.push({ name: given.to, count: 1n });
  },
  drop(given) {
    given.items = given.items.filter(({ name }) => name !== given.to);
  },
  add(given) {
    given.amount = given.amount.plus(given.plus);
  },
  increase(given) {
    given.count += 1n;
  },
  replace: (given) => replaced({ fresh: true, note: given.to }),
  remember: (given) => done(given).withCompensation(new Document(given.to)),
  config(given) {
    given.note = config.get(given.to) ?? "(none)";
  },
  keyvalue: (given) => touch(given, keyvalue.own()),
  shared: (given) => touch(given, keyvalue.shared("orders")),
  foreign: () => void keyvalue.shared("strangers").keys(),
  emit(given) {
    events.emit("shop.orders.shipped", { note: given.to });
    events.signal(`customer/${given.note}`);
  },
  astray: (given) => events.emit(given.to, {}),
  log(given) {
    for (const write of [log.trace, log.debug, log.info, log.warn, log.error]) write(given.to);
  },
  chance(given) {
    given.note = `${Math.random()}:${crypto.randomUUID()}`;
  },
  clock(given) {
    given.note = String(Date.now());
  },
  calls(given) {
    given.note = String(calls);
  },
  loop() {
    for (let count = 0; ; count += 1) if (count < 0) return;
  },
  grow() {
    const kept = [];
    for (;;) kept.push(new Uint8Array(1 << 20).fill(1));
  },
};

function touch(given, bucket) {
  bucket.setBytes("a", new TextEncoder().encode(given.to));
  bucket.delete("b");
  const found = new TextDecoder().decode(bucket.getBytes("a"));
  given.note = `a=${found}, b=${bucket.has("b") ? "yes" : "no"}, keys=${bucket.keys().join(",")}`;
}

function deep(words) {
  throw new RangeError(words);
}
