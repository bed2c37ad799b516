// The texts under [config] in the step's manifest. Grant: config. They are the same for the whole life of a version.

import { host } from "#host";

import { faultOf } from "./fault.js";

/** The text under key; undefined if the manifest does not have it. */
export function get(key) {
  return told(() => host().configGet(key)) ?? undefined;
}

/** The text under key, read by a function such as Number or (text) => new Decimal(text); undefined if there is none. */
export function parse(key, read) {
  const text = get(key);
  if (text === undefined) return undefined;
  try {
    return read(text);
  } catch (cause) {
    throw new Error(`\`${text}\` under [config] ${key} cannot be read; correct the step's manifest`, { cause });
  }
}

/** Every key with its text. */
export function all() {
  return Object.fromEntries(told(() => host().configAll()));
}

function told(ask) {
  try {
    return ask();
  } catch (error) {
    const fault = faultOf(error);
    throw fault?.tag === undefined ? error : new Error(`reading the configuration: ${fault.val}`);
  }
}
