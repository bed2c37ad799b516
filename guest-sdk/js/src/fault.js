// What the host answers in the place of a result. In a component the engine throws an error that carries it; a test throws
// it as it is.

/** The error of the contract, `{ tag, val }`; whatever else was thrown stays what it is. */
export function faultOf(thrown) {
  return thrown?.payload ?? thrown;
}
