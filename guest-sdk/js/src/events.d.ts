// Messages and signals that leave with the commit of the call.
export class TopicRefused extends Error {}
export class LimitExceeded extends Error {}
export function emit(topic: string, body: unknown): void;
export function signal(key: string): void;
