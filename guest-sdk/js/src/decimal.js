// Exact decimal numbers for money: what a JSON number says, digit for digit. Knows nothing of steps.

import { Exact } from "./exact.js";

// Digits before and behind the point together, as in the SDKs of the other languages.
const DIGITS_MAX = 38;
const NUMBER = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d{1,4}))?$/;

export class Decimal extends Exact {
  #units;
  #scale;

  /** Reads a text such as 12.10, a whole number or a bigint. A number with a fraction is refused: it is no longer exact. */
  constructor(value) {
    super();
    if (value instanceof Decimal) {
      this.#units = value.#units;
      this.#scale = value.#scale;
      return;
    }
    if (typeof value === "number" && !Number.isSafeInteger(value)) {
      throw new TypeError(`${value} is no whole number that is exact; give a decimal as a text: new Decimal("12.10")`);
    }
    const read = parse(String(value));
    if (read === undefined) {
      throw new TypeError(`${String(value).slice(0, 64)} is not a decimal number of at most ${DIGITS_MAX} digits`);
    }
    [this.#units, this.#scale] = read;
  }

  /** An amount in its smallest unit: 1210 with scale 2 is 12.10. */
  static fromUnits(units, scale) {
    if (!Number.isInteger(scale) || scale < 0 || scale > DIGITS_MAX) {
      throw new TypeError(`a scale is a whole number from 0 to ${DIGITS_MAX}, not ${scale}`);
    }
    return made(BigInt(units), scale);
  }

  plus(other) {
    const [mine, its, scale] = this.#with(other);
    return made(mine + its, scale);
  }

  minus(other) {
    const [mine, its, scale] = this.#with(other);
    return made(mine - its, scale);
  }

  times(whole) {
    return made(this.#units * BigInt(whole), this.#scale);
  }

  negated() {
    return made(-this.#units, this.#scale);
  }

  /** By value: -1, 0 or 1. */
  compare(other) {
    const [mine, its] = this.#with(other);
    return mine < its ? -1 : mine > its ? 1 : 0;
  }

  /** By value: 1.0 equals 1.00. */
  equals(other) {
    return this.compare(other) === 0;
  }

  /** -1, 0 or 1. */
  sign() {
    return this.#units < 0n ? -1 : this.#units > 0n ? 1 : 0;
  }

  toString() {
    const isNegative = this.#units < 0n;
    let digits = (isNegative ? -this.#units : this.#units).toString();
    if (this.#scale > 0) {
      digits = digits.padStart(this.#scale + 1, "0");
      digits = `${digits.slice(0, -this.#scale)}.${digits.slice(-this.#scale)}`;
    }
    return isNegative ? `-${digits}` : digits;
  }

  jsonText() {
    return this.toString();
  }

  /** < and > would compare texts or inexact numbers, and + would join texts: each is refused. */
  valueOf() {
    throw new TypeError("decimals are added with plus and compared with compare: + and < are not exact");
  }

  #with(other) {
    const decimal = other instanceof Decimal ? other : new Decimal(other);
    const scale = Math.max(this.#scale, decimal.#scale);
    return [this.#at(scale), decimal.#at(scale), scale];
  }

  #at(scale) {
    return this.#units * 10n ** BigInt(scale - this.#scale);
  }
}

function made(units, scale) {
  let digits = (units < 0n ? -units : units).toString().padStart(scale + 1, "0");
  if (digits.length > DIGITS_MAX + 1) throw new RangeError(`a decimal has at most ${DIGITS_MAX} digits`);
  if (scale > 0) digits = `${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
  return new Decimal(units < 0n ? `-${digits}` : digits);
}

// As amounts of money are: quicker to read than what else there is.
const SHORT = /^-?\d{1,9}\.\d{1,9}$/;

function parse(text) {
  if (SHORT.test(text)) {
    const point = text.indexOf(".");
    return [BigInt(text.slice(0, point) + text.slice(point + 1)), text.length - point - 1];
  }
  const found = NUMBER.exec(text);
  if (found === null) return undefined;
  const [, minus, whole, fraction = "", exponent = "0"] = found;
  let digits = whole + fraction;
  let scale = fraction.length - Number(exponent);
  if (scale < -DIGITS_MAX || scale > DIGITS_MAX) return undefined;
  if (scale < 0) {
    digits += "0".repeat(-scale);
    scale = 0;
  }
  if (digits.replace(/^0+/, "").length > DIGITS_MAX) return undefined;
  return [BigInt(minus + digits), scale];
}
