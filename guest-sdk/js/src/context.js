// What the host knows about this delivery.

/** Every field but attempt and signalled is the same when the message is delivered again. */
export class Context {
  constructor(fields) {
    this.globalId = fields.globalId;
    this.useCase = fields.useCase ?? undefined;
    this.useCaseVersion = fields.useCaseVersion ?? undefined;
    this.address = fields.address;
    this.position = fields.position;
    this.direction = fields.direction;
    this.attempt = fields.attempt;
    this.idempotencyKey = fields.idempotencyKey;
    this.deadline = fields.deadline ?? undefined;
    this.signalled = fields.signalled ?? undefined;
    this.failure = fields.failure ?? undefined;
    this.headers = fields.headers;
  }

  /** The value of a field of meta that the host does not know; undefined if it is absent. */
  header(name) {
    const found = this.headers.find(([key]) => key === name);
    return found && JSON.parse(found[1]);
  }
}
