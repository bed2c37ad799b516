// State that a step keeps between calls. Grant: keyvalue. Writes are applied once, together with the answer, if that is
// done; after any other answer they never were.

import { host } from "#host";
import { mustWrite } from "./exact.js";
import { faultOf } from "./fault.js";
import { json } from "./types.js";
import { decode, encode } from "./utf8.js";

/** The manifest names no such bucket under [keyvalue] shared. */
export class NoSuchBucket extends Error {
  name = "NoSuchBucket";
}

/** The manifest does not grant it. */
export class AccessDenied extends Error {
  name = "AccessDenied";
}

/**
 * A set of keys with their values. A call sees its own writes, and otherwise one consistent state: if another call
 * changes what this one has read before this one is committed, this call is run again. So read, compute and write without
 * a thought for locks. A bucket may be kept in a variable of the module: in each call it is that call's.
 */
class Bucket {
  #name;

  constructor(name) {
    this.#name = name;
  }

  /** The value under key, read by a type or as JSON.parse does it; undefined if key has none. */
  get(key, type = json) {
    const bytes = this.getBytes(key);
    if (bytes === undefined) return undefined;
    try {
      return type.parse(decode(bytes));
    } catch (cause) {
      throw new Error(`the value under key ${key} cannot be read`, { cause });
    }
  }

  /** Puts a value under key, written as JSON. */
  set(key, value) {
    this.setBytes(key, encode(mustWrite(`the value for key ${key}`, value)));
  }

  /** The bytes under key; undefined if it has no value. */
  getBytes(key) {
    const bytes = this.#ask((bucket) => bucket.get(key));
    return bytes == null ? undefined : Uint8Array.from(bytes);
  }

  /** Puts bytes under key. */
  setBytes(key, bytes) {
    this.#ask((bucket) => bucket.set(key, bytes));
  }

  /** Takes key away; nothing happens if it is not there. */
  delete(key) {
    this.#ask((bucket) => bucket.delete(key));
  }

  /** Whether key has a value. */
  has(key) {
    return this.#ask((bucket) => bucket.exists(key));
  }

  /** All keys, in byte order. It reads page after page: for buckets that stay small. */
  keys() {
    const keys = [];
    let cursor;
    do {
      const page = this.keysPage(cursor);
      keys.push(...page.keys);
      cursor = page.next;
    } while (cursor !== undefined);
    return keys;
  }

  /** One page of keys in byte order, and the cursor of the next page; undefined after the last. */
  keysPage(cursor) {
    const page = this.#ask((bucket) => bucket.listKeys(cursor ?? null));
    return { keys: page.keys, next: page.cursor ?? undefined };
  }

  #ask(question) {
    try {
      return question(host().openBucket(this.#name));
    } catch (error) {
      throw this.#told(error);
    }
  }

  #told(error) {
    const bucket = this.#name === "" ? "the step's own bucket" : `the bucket ${this.#name}`;
    const fault = faultOf(error);
    switch (fault?.tag) {
      case "no-such-store":
        return new NoSuchBucket(
          `there is no shared bucket ${this.#name}; name it in the step's manifest, [keyvalue] shared`,
        );
      case "access-denied":
        return new AccessDenied(`access to ${bucket} is denied; grant \`keyvalue\` in the step's manifest`);
      case "other":
        return new Error(`key-value store: ${fault.val}`);
      default:
        return error;
    }
  }
}

const buckets = new Map();

/** The step's own bucket: no other step sees it. */
export function own() {
  return shared("");
}

/** A bucket that steps of one domain share. Each of them names it in its manifest: [keyvalue] shared = ["…"]. */
export function shared(name) {
  let bucket = buckets.get(name);
  if (bucket === undefined) {
    bucket = new Bucket(name);
    buckets.set(name, bucket);
  }
  return bucket;
}
