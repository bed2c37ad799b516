// Identifiers as they come in the wild: one producer writes "42", another 42. Written back as they came.

import { Exact } from "./exact.js";

const WHOLE = /^-?\d+$/;

export class Id extends Exact {
  #raw;
  #text;

  /** A text that is not empty, a whole number, or a bigint. */
  constructor(value) {
    super();
    // Of a JSON text, which ofJson has looked at.
    if (value instanceof Raw) {
      this.#raw = value.raw;
      this.#text = value.text;
      return;
    }
    if (value instanceof Id) {
      this.#raw = value.#raw;
      this.#text = value.#text;
      return;
    }
    const isNumber = typeof value === "bigint" || Number.isSafeInteger(value);
    if (!isNumber && (typeof value !== "string" || value === "")) {
      throw new TypeError("an identifier is a text that is not empty, or a whole number");
    }
    this.#text = String(value);
    this.#raw = isNumber ? this.#text : JSON.stringify(value);
  }

  /** Of a JSON text, which is kept; undefined if it is none of an identifier. */
  static ofJson(raw) {
    if (WHOLE.test(raw)) return new Id(new Raw(raw, raw === "-0" ? "0" : raw));
    if (raw[0] !== '"' || raw === '""') return undefined;
    return new Id(new Raw(raw, raw.includes("\\") ? JSON.parse(raw) : raw.slice(1, -1)));
  }

  /** Ids are equal if they say the same: "42" and 42 do. */
  equals(other) {
    return this.#text === new Id(other).#text;
  }

  toString() {
    return this.#text;
  }

  jsonText() {
    return this.#raw;
  }
}

class Raw {
  constructor(raw, text) {
    this.raw = raw;
    this.text = text;
  }
}
