// What a step sees in a test. Buckets are what the call sees, committed ones what stays if it is not done.

// Keys of one page: few, so that a test with a handful of keys meets a second page.
const PAGE_KEYS = 4;
// Characters of a key that is signalled, as the contract has it.
const KEY_CHARACTERS_MAX = 256;

const byBytes = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

export class World {
  config = new Map();
  #committed = new Map([["", new Map()]]);
  #buckets;
  // undefined grants everything, or allows every topic.
  #grants;
  #topics;
  #logs = [];
  #events = [];
  #signals = [];

  bucket(name) {
    if (!this.#committed.has(name)) this.#committed.set(name, new Map());
    return this.#committed.get(name);
  }

  keys(bucket) {
    return [...this.bucket(bucket).keys()].sort(byBytes);
  }

  obey({ grants, config, shared, topics }) {
    for (const [key, text] of config) if (!this.config.has(key)) this.config.set(key, text);
    for (const name of shared) this.bucket(name);
    this.#grants = grants;
    this.#topics = topics;
  }

  begin() {
    this.#buckets = new Map([...this.#committed].map(([name, bucket]) => [name, new Map(bucket)]));
    [this.#logs, this.#events, this.#signals] = [[], [], []];
  }

  end(isDone) {
    if (!isDone) return { logs: this.#logs, events: [], signals: [] };
    this.#committed = this.#buckets;
    return { logs: this.#logs, events: this.#events, signals: this.#signals };
  }

  #granted(name) {
    return this.#grants === undefined || this.#grants.includes(name);
  }

  log(level, context, message) {
    this.#logs.push({ level, context, message });
  }

  configGet(key) {
    this.#needConfig();
    return this.config.get(key);
  }

  configAll() {
    this.#needConfig();
    return [...this.config].sort(([a], [b]) => byBytes(a, b));
  }

  #needConfig() {
    if (!this.#granted("config")) {
      throw { tag: "io", val: "not granted; add `config` to the grants in the step's manifest" };
    }
  }

  openBucket(name) {
    if (!this.#granted("keyvalue")) throw { tag: "access-denied" };
    const bucket = this.#buckets.get(name);
    if (bucket === undefined) throw { tag: "no-such-store" };
    return {
      get: (key) => bucket.get(key),
      set: (key, value) => void bucket.set(key, Uint8Array.from(value)),
      delete: (key) => void bucket.delete(key),
      exists: (key) => bucket.has(key),
      listKeys: (cursor) => {
        const keys = [...bucket.keys()].sort(byBytes).filter((key) => cursor === null || byBytes(key, cursor) > 0);
        const page = keys.slice(0, PAGE_KEYS);
        return { keys: page, cursor: keys.length > PAGE_KEYS ? page[page.length - 1] : undefined };
      },
    };
  }

  emit(topic, body) {
    this.#needEvents();
    if (this.#topics !== undefined && !this.#topics.includes(topic)) {
      throw { tag: "topic-refused", val: `${topic} is not among [events] topics in the step's manifest` };
    }
    this.#events.push({ topic, body });
  }

  signal(key) {
    this.#needEvents();
    const count = [...key].length;
    if (count === 0 || count > KEY_CHARACTERS_MAX || /\p{Cc}/u.test(key) || key.trim() !== key) {
      const words = `a key has 1 to ${KEY_CHARACTERS_MAX} printable characters, no space at its ends`;
      throw { tag: "limit", val: `${words}: ${JSON.stringify(key)}` };
    }
    this.#signals.push(key);
  }

  #needEvents() {
    if (!this.#granted("events")) {
      throw { tag: "topic-refused", val: "not granted; add `events` to the grants in the step's manifest" };
    }
  }
}
