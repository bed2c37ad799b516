package step.saga;

/**
 * A message that is published with an answer.
 *
 * @param topic where to; the manifest must name it
 * @param body a JSON text
 */
public record Event(String topic, String body) {}
