// What a step can answer. Knows nothing of the host. Milliseconds are those of the contract: whole, and at most 2^32 - 1.

import { mustWrite } from "./exact.js";

const MS_MAX = 2 ** 32 - 1;

/** Made by done, unchanged and replaced. */
export class Done {
  constructor(kind, body) {
    this.kind = kind;
    this.body = body;
    this.compensation = undefined;
  }

  /**
   * What compensate will need to undo this: handed back to it, if the saga turns round, and to nobody else. In an answer
   * of compensate it is ignored.
   */
  withCompensation(log) {
    this.compensation = mustWrite("the compensation log", log);
    return this;
  }
}

/** Finished; body goes on, and what it left alone of the text that came goes on as it came. */
export function done(body) {
  mustBe("the body", body);
  return new Done("merged", body);
}

/** Finished; the body goes on exactly as it came. */
export function unchanged() {
  return new Done("unchanged", undefined);
}

/** Finished; body alone goes on, and nothing of the body that came is kept. */
export function replaced(body) {
  mustBe("the body", body);
  return new Done("replaced", body);
}

function mustBe(what, value) {
  if (value === undefined) throw new TypeError(`${what} is undefined; answer unchanged() if it goes on as it came`);
}

/** Thrown: a business refusal, final. The saga turns round; what this call wrote, emitted and signalled is discarded. */
export class Rejected extends Error {
  constructor(code, reason, details) {
    super(reason);
    this.name = "Rejected";
    this.code = code;
    this.details = details === undefined ? undefined : mustWrite("the details", details);
  }
}

/** Thrown: a technical failure that may pass. Every other error that a step throws does the same. */
export class Retry extends Error {
  constructor(reason, { afterMs, cause } = {}) {
    super(reason, cause === undefined ? undefined : { cause });
    this.name = "Retry";
    this.afterMs = milliseconds(afterMs);
  }
}

/** Thrown: a precondition is not there yet. The message comes again when `key` is signalled. */
export class Wait extends Error {
  constructor(key, reason, { timeoutMs } = {}) {
    super(reason);
    this.name = "Wait";
    this.key = key;
    this.timeoutMs = milliseconds(timeoutMs);
  }
}

function milliseconds(span) {
  if (span === undefined) return undefined;
  const number = Number(span);
  if (Number.isNaN(number)) throw new TypeError(`${span} is no number of milliseconds`);
  return Math.min(Math.max(Math.trunc(number), 0), MS_MAX);
}
