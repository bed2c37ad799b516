// One call of a step, from text to text: reads the body as the step's type, calls the step, and makes an outcome of what
// it answered or threw. Knows the outcome as the contract has it, and not who asks for it.

import { Done, Rejected, Retry, Wait } from "./answer.js";
import { Context } from "./context.js";
import { TooDeep } from "./difference.js";
import { mustWrite } from "./exact.js";
import { merge } from "./splice.js";
import { json, Type, TypeMismatch } from "./types.js";

/** The code of the refusal when a body is not what the step's type reads: the bytes would be the same next time. */
export const INVALID_BODY = "invalid-body";
/** The same for a compensation log: a person has to look. */
export const INVALID_COMPENSATION_LOG = "invalid-compensation-log";

// Characters of a reason. The host keeps 4 KiB of it.
const REASON_MAX = 3500;

/** The step of a module: its two functions, and the types that it declares. What is missing is told at once. */
export function stepOf(module) {
  for (const name of ["handle", "compensate"]) {
    if (typeof module[name] !== "function") {
      throw new TypeError(`the step exports no function ${name}; write \`export function ${name}(…) { … }\``);
    }
  }
  for (const name of ["body", "compensationLog"]) {
    if (module[name] !== undefined && !(module[name] instanceof Type)) {
      throw new TypeError(
        `what the step exports as ${name} is no type; write \`export const ${name} = object({ … })\``,
      );
    }
  }
  const { handle, compensate, body = json, compensationLog = json } = module;
  return { handle, compensate, body, compensationLog };
}

/** `log` counts in the direction compensate only; null or undefined if there is none. */
export function call(step, fields, body, log) {
  try {
    const context = new Context(fields);
    const isUndo = context.direction === "compensate";
    const what = `the body is not what ${context.address} reads`;
    const read = () => typed(step.body, body, INVALID_BODY, what);
    const given = read();
    const merged = (next) => changed(body, read, next, what);
    if (!isUndo) return finished(step.handle(context, given), body, merged);
    const words = `the compensation log is not what ${context.address} reads`;
    const left = log == null ? undefined : typed(step.compensationLog, log, INVALID_COMPENSATION_LOG, words);
    return finished(step.compensate(context, given, left), body, merged);
  } catch (error) {
    return outcomeOf(error);
  }
}

function typed(type, text, code, words) {
  try {
    return type.parse(text);
  } catch (error) {
    if (error instanceof TypeMismatch || error instanceof SyntaxError)
      throw new Rejected(code, `${words}: ${error.message}`);
    throw error;
  }
}

/** The body that came with what the step changed. It is read once more: the step may have changed what it was given. */
function changed(raw, read, next, words) {
  const before = read();
  try {
    return merge(raw, before, next);
  } catch (error) {
    if (error instanceof TooDeep) throw new Rejected(INVALID_BODY, `${words}: it is ${error.message}`);
    throw error;
  }
}

function finished(answer, raw, merged) {
  if (!(answer instanceof Done)) throw new TypeError(noAnswer(answer));
  const compensation = answer.compensation ?? null;
  return { tag: "done", val: { body: nextBody(answer, raw, merged), compensation } };
}

function nextBody(answer, raw, merged) {
  if (answer.kind === "unchanged") return raw;
  if (answer.kind === "replaced") return mustWrite("the body", answer.body);
  return merged(answer.body);
}

function noAnswer(answer) {
  if (typeof answer?.then === "function") {
    return "the step returned a promise, and a step does not wait: take `async` away; what the host offers is there at once";
  }
  return "the step returned no answer; return done(body), or unchanged() if the body goes on as it came";
}

/** A refusal, retry or wait among the causes of what was thrown is the answer; everything else is a retry. */
export function outcomeOf(thrown) {
  for (let error = thrown, count = 0; error != null && count < 32; error = error.cause, count += 1) {
    if (error instanceof Rejected) {
      return { tag: "rejected", val: { code: error.code, reason: error.message, details: error.details ?? null } };
    }
    if (error instanceof Retry) {
      return { tag: "retry", val: { reason: error.message, afterMs: error.afterMs ?? null } };
    }
    if (error instanceof Wait) {
      return { tag: "wait", val: { key: error.key, reason: error.message, timeoutMs: error.timeoutMs ?? null } };
    }
  }
  return { tag: "retry", val: { reason: reasonOf(thrown), afterMs: null } };
}

/** What was thrown with its causes, and where. */
function reasonOf(thrown) {
  const words = [];
  for (let error = thrown, count = 0; error != null && count < 32; error = error.cause, count += 1) {
    const text = String(error);
    if (!words.some((said) => said.endsWith(text))) words.push(text);
  }
  const stack = traceOf(thrown);
  const reason = (words.join(": ") || String(thrown)) + (stack === "" ? "" : `\n${stack}`);
  return reason.length > REASON_MAX ? `${reason.slice(0, REASON_MAX)}…` : reason;
}

// Where files of this SDK stand: in a component, and in a project.
const OWN = /\(\/saga:|\/saga-step\/src\//;

/** The frames of the author's own code: the words before them, and those of this SDK, are left out. */
function traceOf(thrown) {
  if (typeof thrown?.stack !== "string") return "";
  const frames = thrown.stack.split("\n").filter((line) => /^\s*at /.test(line));
  const end = frames.findIndex((line) => /\bcall \(.*run\.js:\d/.test(line));
  const own = (end < 0 ? frames : frames.slice(0, end)).filter((line) => !OWN.test(line));
  return own.map((line) => `    ${line.trim()}`).join("\n");
}
