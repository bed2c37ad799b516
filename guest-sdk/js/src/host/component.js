// What a step may ask of the host, in a component: the imports of the contract. The runtime answers errors by throwing
// what the contract calls them.

import config from "wasi:config/store@0.2.0-rc.1";
import keyvalue from "wasi:keyvalue/store@0.2.0-draft2";
import logging from "wasi:logging/logging@0.1.0-draft";
import events from "saga:step/events@0.1.0";

let isCalled = false;

// A bucket is opened once in the life of an instance: to the host it is a name, and means what it meant in every call.
// The runtime never gives a handle back, and an instance has room for some ten thousand.
const opened = new Map();

const here = {
  log: (level, context, message) => logging.log(level, context, message),
  configGet: (key) => config.get(key),
  configAll: () => config.getAll(),
  openBucket: (name) => {
    let bucket = opened.get(name);
    if (bucket === undefined) {
      bucket = keyvalue.open(name);
      opened.set(name, bucket);
    }
    return bucket;
  },
  emit: (topic, body) => events.emit(topic, body),
  signal: (key) => events.signal(key),
};

export function host() {
  if (!isCalled) {
    throw new Error("the host cannot be asked while the module is loaded; ask from handle or compensate");
  }
  return here;
}

export function beginCall() {
  isCalled = true;
}
