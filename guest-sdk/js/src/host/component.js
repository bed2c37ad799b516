// What a step may ask of the host, in a component: the imports of the contract. The runtime answers errors by throwing
// what the contract calls them.

import config from "wasi:config/store@0.2.0-rc.1";
import keyvalue from "wasi:keyvalue/store@0.2.0-draft2";
import logging from "wasi:logging/logging@0.1.0-draft";
import events from "saga:step/events@0.1.0";

const here = {
  /** Counts the calls of this instance. */
  epoch: 0,
  log: (level, context, message) => logging.log(level, context, message),
  configGet: (key) => config.get(key),
  configAll: () => config.getAll(),
  openBucket: (name) => keyvalue.open(name),
  emit: (topic, body) => events.emit(topic, body),
  signal: (key) => events.signal(key),
};

export function host() {
  if (here.epoch === 0) {
    throw new Error("the host cannot be asked while the module is loaded; ask from handle or compensate");
  }
  return here;
}

export function beginCall() {
  here.epoch += 1;
}
