// What authors expect of every JavaScript and the engine lacks or has frozen: console, chance, UTF-8.

import random from "wasi:random/random@0.2.0";

import * as log from "./log.js";
import { decode, encode } from "./utf8.js";

export function installGlobals() {
  const own = (name, value) => Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });
  own("console", consoleOf());
  own("crypto", { getRandomValues, randomUUID });
  own("TextEncoder", Utf8Encoder);
  own("TextDecoder", Utf8Decoder);
  Math.random = chance;
}

/** Lines go to the log of the step. While the module is loaded, at build time, there is none, and they are dropped. */
function consoleOf() {
  const to =
    (write) =>
    (...values) => {
      if (!isLoading) write(values.map(shown).join(" "), "console");
    };
  const { trace, debug, info, warn, error } = log;
  return { log: to(info), info: to(info), warn: to(warn), error: to(error), debug: to(debug), trace: to(trace) };
}

function shown(value) {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value}\n${value.stack ?? ""}`.trimEnd();
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

let isLoading = true;
const state = new Uint32Array(4);

/** Called first in each instance. */
export function reseed() {
  isLoading = false;
  state.set(new Uint32Array(bytes(16).buffer));
}

function bytes(count) {
  return Uint8Array.from(random.getRandomBytes(count));
}

const rotated = (word, by) => (word << by) | (word >>> (32 - by));

/** xoshiro128**: 32 bits a step, two steps for the 53 of a number. */
function word() {
  const result = Math.imul(rotated(Math.imul(state[1], 5), 7), 9) >>> 0;
  const shifted = state[1] << 9;
  state[2] ^= state[0];
  state[3] ^= state[1];
  state[1] ^= state[2];
  state[0] ^= state[3];
  state[2] ^= shifted;
  state[3] = rotated(state[3], 11);
  return result;
}

const engineChance = Math.random;

function chance() {
  if (isLoading) return engineChance();
  return ((word() >>> 5) * 67108864 + (word() >>> 6)) / 9007199254740992;
}

function getRandomValues(array) {
  const view = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  if (view.length > 65536) throw new RangeError("getRandomValues gives at most 65536 bytes at once");
  view.set(bytes(view.length));
  return array;
}

function randomUUID() {
  const id = bytes(16);
  id[6] = (id[6] & 0x0f) | 0x40;
  id[8] = (id[8] & 0x3f) | 0x80;
  const hex = Array.from(id, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

class Utf8Encoder {
  encoding = "utf-8";

  encode(text = "") {
    return encode(String(text));
  }
}

class Utf8Decoder {
  encoding = "utf-8";

  constructor(label = "utf-8") {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`${label} cannot be decoded here; there is UTF-8 only`);
  }

  decode(view = new Uint8Array()) {
    const whole = ArrayBuffer.isView(view)
      ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      : new Uint8Array(view);
    const isMarked = whole[0] === 0xef && whole[1] === 0xbb && whole[2] === 0xbf;
    return decode(isMarked ? whole.subarray(3) : whole);
  }
}
