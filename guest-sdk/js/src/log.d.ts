// The log lines of a step; `context` says what a line belongs to.
type Line = (message: string, context?: string) => void;
export const trace: Line;
export const debug: Line;
export const info: Line;
export const warn: Line;
export const error: Line;
