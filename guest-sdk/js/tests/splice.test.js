import assert from "node:assert/strict";
import { test } from "node:test";

import { write } from "../src/exact.js";
import { merge } from "../src/splice.js";

const CASES = [
  [
    "untouched",
    ' {"z" : 9007199254740993,\n "a":1.0 }\n',
    { a: 1 },
    { a: 1 },
    ' {"z" : 9007199254740993,\n "a":1.0 }\n',
  ],
  [
    "changed",
    '{"z":18446744073709551616123, "s":"new", "a":-0.0}',
    { s: "new" },
    { s: "paid" },
    '{"z":18446744073709551616123, "s":"paid", "a":-0.0}',
  ],
  ["default not added", '{"a":1,"keep":1}', { a: 1, s: "" }, { a: 2, s: "" }, '{"a":2,"keep":1}'],
  ["new at the end", '{"a":1,\n"keep":1\n}', { a: 1 }, { a: 1, n: "x", m: 2 }, '{"a":1,\n"keep":1,"n":"x","m":2\n}'],
  ["first removed", '{ "a":1, "b":2, "c":3 }', { a: 1, b: 2, c: 3 }, { b: 2, c: 3 }, '{ "b":2, "c":3 }'],
  ["last removed", '{ "a":1, "b":2 }', { a: 1, b: 2 }, { a: 1 }, '{ "a":1 }'],
  ["only one removed", '{"a":1}', { a: 1 }, {}, "{}"],
  ["into an empty object", "{ }", {}, { a: 1 }, '{"a":1}'],
  ["escaped key", '{"\\u0061mount":1.00,"x":1.00}', { amount: 1 }, { amount: 2 }, '{"\\u0061mount":2,"x":1.00}'],
  ["key twice", '{"x":1.0,"x":2.0}', { x: 2 }, { x: 3 }, '{"x":1.0,"x":3}'],
  [
    "nested",
    '{"o":{"vip":true,"name":"x","s":0.50}}',
    { o: { name: "x" } },
    { o: { name: "y" } },
    '{"o":{"vip":true,"name":"y","s":0.50}}',
  ],
  [
    "element changed",
    '[{"i":1,"p":1.10}, {"i":2,"p":2.20}]',
    [{ i: 1 }, { i: 2 }],
    [{ i: 1 }, { i: 7 }],
    '[{"i":1,"p":1.10}, {"i":7,"p":2.20}]',
  ],
  ["element removed", '[{"i":1,"p":1.10}, {"i":2,"p":2.20}]', [{ i: 1 }, { i: 2 }], [{ i: 2 }], '[{"i":2,"p":2.20}]'],
  [
    "elements moved",
    '[{"i":1,"p":1.10}, {"i":2,"p":2.20}]',
    [{ i: 1 }, { i: 2 }],
    [{ i: 2 }, { i: 1 }],
    '[{"i":2,"p":2.20}, {"i":1,"p":1.10}]',
  ],
  ["another kind", '{"a":{"b":1.0}}', { a: { b: 1 } }, { a: null }, '{"a":null}'],
  ["a scalar", " [1.0] ", [1], 1, " 1 "],
  ["keys like numbers", '{"b":1,"2":2.0,"1":3}', { b: 1, 2: 2, 1: 3 }, { b: 1, 2: 2, 1: 4 }, '{"b":1,"2":2.0,"1":4}'],
  [
    "a text that says a name",
    '{"a":"b","b" : 1.0,"c":2.50}',
    { a: "b", b: 1 },
    { a: "b", b: 2 },
    '{"a":"b","b" : 2,"c":2.50}',
  ],
  [
    "a new value that holds the name of another member",
    '{"a":1.0,"c":0.50}',
    { a: 1 },
    { a: { b: 1 }, b: 2 },
    '{"a":{"b":1},"c":0.50,"b":2}',
  ],
  [
    "many that look alike, moved",
    `[${[0, 1, 2, 3, 4, 5, 6].map((n) => `{"t":"x","n":${n}.0}`).join(", ")}]`,
    [0, 1, 2, 3, 4, 5, 6].map((n) => ({ t: "x", n })),
    [6, 5, 4, 3, 2, 1, 0].map((n) => ({ t: "x", n })),
    `[${[6, 5, 4, 3, 2, 1, 0].map((n) => `{"t":"x","n":${n}.0}`).join(", ")}]`,
  ],
  [
    "some that are the same, and one more at the front",
    "[1.0, 1.00, 1.0, 1.0, 1.0, 1.0, 2.0]",
    [1, 1, 1, 1, 1, 1, 2],
    [3, 1, 1, 1, 1, 1, 1, 2],
    "[3,1.0,1.00,1.0,1.0,1.0,1.0,2.0]",
  ],
  ["a member set to undefined is gone", '{"a":1,"b":2}', { a: 1, b: 2 }, { a: undefined, b: 2 }, '{"b":2}'],
];

for (const [name, raw, before, after, want] of CASES) {
  test(`what was not touched stays: ${name}`, () => assert.equal(merge(raw, before, after), want));
}

// A type that knows every member: what goes on means exactly what the step handed on, whatever it did.
test("what goes on means what the step wrote", () => {
  const seed = Math.trunc(Math.random() * 2 ** 32);
  const random = generator(seed);
  for (let round = 0; round < 20_000; round += 1) {
    const [raw, after] = [value(random, 4), value(random, 4)];
    const came = random(2) === 0 ? JSON.stringify(raw, null, 2) : JSON.stringify(raw);
    const got = merge(came, JSON.parse(came), after);
    assert.deepEqual(JSON.parse(got), after, `seed ${seed}: ${came} and ${write(after)} became ${got}`);
  }
});

// Beside what changed, digits stay that the language cannot hold.
test("in a megabyte everything is changed", () => {
  const lines = Array.from(
    { length: 12_500 },
    (_, n) => `{"id": ${n}, "rate": 0.${n}0, "sku": "gift wrap ${n}", "count": 1, "big": 9007199254740993}`,
  );
  const raw = `{"lines": [${lines.join(", ")}]}`;
  const body = JSON.parse(raw);
  for (const line of body.lines) line.count += 1;
  assert.equal(merge(raw, JSON.parse(raw), body), raw.replaceAll('"count": 1', '"count": 2'));
});

function generator(seed) {
  let state = seed;
  return (bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.trunc((state / 2 ** 32) * bound);
  };
}

function value(random, depth) {
  switch (random(depth === 0 ? 4 : 6)) {
    case 0:
      return null;
    case 1:
      return random(2) === 0;
    case 2:
      return random(2000) - 1000;
    case 3:
      return ["", "a", '"', "\\", "},{", "[é]", "a:b"][random(7)];
    case 4:
      return Array.from({ length: random(5) }, () => value(random, depth - 1));
    default:
      return Object.fromEntries(Array.from({ length: random(5) }, () => [`k${random(6)}"`, value(random, depth - 1)]));
  }
}
