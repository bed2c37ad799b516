package step.saga;

import com.fasterxml.jackson.databind.JsonNode;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * What the host knows about a delivery.
 *
 * <p>The same message may be delivered more than once. Everything but {@code attempt} and {@code signalled} is then the
 * same. The host applies a call's results (body, events, signals) exactly once; an effect outside the host is repeated when
 * the call is, so hand {@code idempotencyKey} to every outside system you write to, and derive ids from it rather than from
 * time or chance.
 *
 * @param globalId the identity of the saga
 * @param useCase the name of the use case that started it; empty for a saga that a foreign producer started
 * @param useCaseVersion the version of that use case
 * @param address that of this step
 * @param position the index of this step in the saga, counted forward in both directions
 * @param direction which of the two functions is being called
 * @param attempt 1 for the first delivery; it counts the retries of this step in this direction
 * @param idempotencyKey the same for each delivery of this message: global-id/direction/position
 * @param deadline when the saga's time is over
 * @param signalled the key whose signal ended this message's wait
 * @param failure what turned the saga round; empty while it goes forward
 * @param headers the fields of the message's meta that the host does not know, in their order
 */
public record Context(
        String globalId,
        Optional<String> useCase,
        OptionalInt useCaseVersion,
        String address,
        int position,
        Direction direction,
        int attempt,
        String idempotencyKey,
        Optional<Instant> deadline,
        Optional<String> signalled,
        Optional<Failure> failure,
        Map<String, JsonNode> headers) {}
