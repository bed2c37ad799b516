// The log lines of a step. A line leaves at once, also when the call fails or is repeated: a log is no effect of the saga.
// No grant is needed. Never log a payload.

import { host } from "#host";

const line =
  (level) =>
  (message, context = "step") =>
    host().log(level, String(context), String(message));

export const trace = line("trace");
export const debug = line("debug");
export const info = line("info");
export const warn = line("warn");
export const error = line("error");
