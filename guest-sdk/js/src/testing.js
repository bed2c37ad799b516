// Runs a step natively, with a host made of memory: give it a body, ask what was answered, written, emitted and signalled,
// and undo it. Needs Node (`node --test`) and nothing else.
//
//     const host = new TestHost(step).manifestIn(import.meta.dirname).config("limit", "100");
//     const run = host.handle('{"amount":70,"unknown":1.50}');
//     run.done().body; // '{"amount":70,"unknown":1.50}'
//     host.handle({ amount: 31 }).rejected().code;

import assert from "node:assert/strict";

import { mustWrite } from "./exact.js";
import { during } from "./host/native.js";
import { call, stepOf } from "./run.js";
import { readManifest } from "./testing/manifest.js";
import { World } from "./testing/world.js";
import { json } from "./types.js";
import { decode, encode } from "./utf8.js";

/** What a step sees in a test: every grant and an empty configuration, until a manifest is read. */
export class TestHost {
  #step;
  #world = new World();

  /** `module` is all that the step's file exports: `import * as step from "./step.js"`. */
  constructor(module) {
    this.#step = stepOf(module);
    /** That of the next calls: set what the test is about. Direction and idempotency key follow by themselves. */
    this.context = {
      globalId: "test-saga",
      useCase: "test",
      useCaseVersion: 1,
      address: "test.step.here",
      position: 0,
      attempt: 1,
      deadline: undefined,
      signalled: undefined,
      failure: undefined,
      headers: [],
    };
  }

  /**
   * Takes address, grants, [config], shared buckets and topics from the one <domain>.<subdomain>.<service>.toml in a
   * folder. From then on what is not granted is refused, as the host would.
   */
  manifestIn(folder) {
    const { address, manifest } = readManifest(folder);
    this.context.address = address;
    this.#world.obey(manifest);
    return this;
  }

  /** A text under [config], before that of the manifest. */
  config(key, text) {
    this.#world.config.set(key, text);
    return this;
  }

  /** A shared bucket that the step may open. */
  shared(name) {
    this.#world.bucket(name);
    return this;
  }

  /** Sets a value in the step's own bucket (the name "") or a shared one: what an earlier call or another step did. */
  put(bucket, key, value) {
    this.#world.bucket(bucket).set(key, encode(mustWrite(`the value for ${key}`, value)));
    return this;
  }

  /** The value under key, in the step's own bucket or another one; undefined if there is none. */
  value(key, { bucket = "", type = json } = {}) {
    const bytes = this.#world.bucket(bucket).get(key);
    return bytes && type.parse(decode(bytes));
  }

  /** All keys of a bucket. */
  keys(bucket = "") {
    return this.#world.keys(bucket);
  }

  /** Calls handle with a body: a JSON text as it is, or a value. */
  handle(body) {
    return this.#call("handle", body, undefined);
  }

  /** Calls compensate with a body and a log; both a JSON text as it is, or a value. */
  compensate(body, log) {
    return this.#call("compensate", body, log);
  }

  /** Calls compensate with the body and the log of an answer of handle, because a later step refused. */
  undo(run) {
    const { body, compensation } = run.done();
    this.context.failure = {
      position: this.context.position + 1,
      address: "test.step.later",
      kind: "rejected",
      code: "refused",
      reason: "a later step refused",
    };
    try {
      return this.compensate(body, compensation);
    } finally {
      this.context.failure = undefined;
    }
  }

  #call(direction, body, log) {
    const [text, left] = [jsonText(body), log === undefined ? undefined : jsonText(log)];
    const { globalId, position } = this.context;
    const context = { ...this.context, direction, idempotencyKey: `${globalId}/${direction}/${position}` };
    this.#world.begin();
    const outcome = during(this.#world, () => call(this.#step, context, text, left));
    return new Run(text, outcome, this.#world.end(outcome.tag === "done"));
  }
}

function jsonText(value) {
  if (typeof value !== "string") return mustWrite("the body", value);
  try {
    JSON.parse(value);
  } catch (cause) {
    throw new TypeError(`this is no JSON, and a host never delivers such: ${value}`, { cause });
  }
  return value;
}

/** One call and what came of it: its answer, and what it logged, published and signalled. */
export class Run {
  #body;

  constructor(body, outcome, { logs, events, signals }) {
    this.#body = body;
    this.outcome = outcome;
    /** Also of a call that failed. */
    this.logs = logs;
    /** Empty unless the answer is done. */
    this.events = events;
    this.signals = signals;
  }

  /** The answer, which must be done: `body` and `compensation` are JSON texts. */
  done() {
    const { body, compensation } = this.#expect("done");
    return { body, compensation: compensation ?? undefined };
  }

  /** The body that goes on, read. */
  body(type = json) {
    return type.parse(this.done().body);
  }

  /** The compensation log, read; undefined if there is none. */
  compensation(type = json) {
    const { compensation } = this.done();
    return compensation === undefined ? undefined : type.parse(compensation);
  }

  rejected() {
    const { code, reason, details } = this.#expect("rejected");
    return { code, reason, details: details ?? undefined };
  }

  retry() {
    const { reason, afterMs } = this.#expect("retry");
    return { reason, afterMs: afterMs ?? undefined };
  }

  waits() {
    const { key, reason, timeoutMs } = this.#expect("wait");
    return { key, reason, timeoutMs: timeoutMs ?? undefined };
  }

  /** Whether a line holds a text. */
  logged(text) {
    return this.logs.some(({ message }) => message.includes(text));
  }

  #expect(tag) {
    const told = JSON.stringify(this.outcome);
    assert.equal(this.outcome.tag, tag, `expected ${tag} for the body ${this.#body}, got ${told}`);
    return this.outcome.val;
  }
}
