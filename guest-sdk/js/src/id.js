// Identifiers as they come in the wild: one producer writes "42", another 42. Written back as they came.

import { Exact } from "./exact.js";

export class Id extends Exact {
  #raw;
  #text;

  /** A text that is not empty, a whole number, or a bigint. */
  constructor(value) {
    super();
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
    if (/^-?\d+$/.test(raw)) return Id.#keep(new Id(BigInt(raw)), raw);
    if (raw[0] !== '"' || raw === '""') return undefined;
    return Id.#keep(new Id(JSON.parse(raw)), raw);
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

  static #keep(id, raw) {
    id.#raw = raw;
    return id;
  }
}
