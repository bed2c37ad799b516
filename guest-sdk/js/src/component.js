// How a step is exported by a component; `saga build` writes the line that calls this. Whatever is the same for each
// instance because it was frozen with the memory (the state of Math.random) is made anew in the first call of each.

import { beginCall } from "./host/component.js";
import { installGlobals, reseed } from "./globals.js";
import { call, stepOf } from "./run.js";

let isFresh = true;

// Before the author's module is run, which is imported after this one.
installGlobals();

export function exported(module) {
  const step = stepOf(module);
  const one = (context, body, log) => {
    beginCall();
    if (isFresh) {
      isFresh = false;
      reseed();
    }
    return call(step, context, body, log);
  };
  return {
    handle: (context, body) => one(context, body, null),
    compensate: (context, body, log) => one(context, body, log),
  };
}
