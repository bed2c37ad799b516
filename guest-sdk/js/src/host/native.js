// What a step may ask of the host, natively: a test puts a world in its place (see testing.js).

let world;

export function host() {
  if (world === undefined)
    throw new Error("there is no host here: call the step through TestHost of saga-step/testing");
  return world;
}

/** Lets a step use a world while work runs. */
export function during(its, work) {
  world = its;
  try {
    return work();
  } finally {
    world = undefined;
  }
}
