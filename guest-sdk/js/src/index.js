// The door of the SDK: what a step answers with, and the types that it declares for its body.

export { done, Done, Rejected, replaced, Retry, unchanged, Wait } from "./answer.js";
export { Context } from "./context.js";
export { Decimal } from "./decimal.js";
export { Document } from "./document.js";
export { Id } from "./id.js";
export { INVALID_BODY, INVALID_COMPENSATION_LOG } from "./run.js";
export * from "./types.js";

import { unchanged } from "./answer.js";

/** The compensate of a step that leaves nothing behind: `export { nothingToUndo as compensate } from "saga-step"`. */
export function nothingToUndo() {
  return unchanged();
}
