// Messages and signals that leave with the commit of the call: once if the answer is done, never otherwise. Grant: events.

import { host } from "#host";
import { mustWrite } from "./exact.js";
import { faultOf } from "./fault.js";

/** The topic is no valid name, or not among those the manifest allows. */
export class TopicRefused extends Error {
  name = "TopicRefused";
}

/** Body or key is over a limit, or the call emitted too much. */
export class LimitExceeded extends Error {
  name = "LimitExceeded";
}

/** Publishes body to topic, keyed by the saga's global-id. The manifest lists the topics under [events] topics. */
export function emit(topic, body) {
  const text = mustWrite("the event's body", body);
  told(() => host().emit(topic, text));
}

/** Releases what waits for key (see Wait), and is remembered for those who come to wait later. */
export function signal(key) {
  told(() => host().signal(key));
}

function told(ask) {
  try {
    ask();
  } catch (error) {
    const fault = faultOf(error);
    if (fault?.tag === "topic-refused") throw new TopicRefused(`the topic is refused: ${fault.val}`);
    if (fault?.tag === "limit") throw new LimitExceeded(`the event is refused: ${fault.val}`);
    throw error;
  }
}
