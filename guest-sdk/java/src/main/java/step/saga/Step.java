package step.saga;

import com.fasterxml.jackson.databind.JsonNode;

/**
 * A step of a saga: {@code handle} does the work, {@code compensate} undoes it. The host delivers, retries, stores and
 * publishes.
 *
 * <p>Answer with an {@link Outcome}, or throw {@link Rejected}, {@link Retry} or {@link Wait}. Every other exception is a
 * retry whose reason holds its words and its stack trace. A refusal, retry or wait counts wherever it stands among the
 * causes of what is thrown.
 *
 * <p>A call may be made again after a crash, a lost lease or a retry, also one that did its work. Hand
 * {@link Context#idempotencyKey()} to whatever you write to, and look there first.
 *
 * <p>One instance serves all calls, several at once: it must be safe for that.
 *
 * @param <B> what the step reads of the body: a record or class that Jackson reads, or {@link JsonNode}. Members it does
 *     not name go on untouched. A body it cannot read is refused with the code {@link Rejected#INVALID_BODY}; in a record, a
 *     member of a primitive type must be there.
 */
public interface Step<B> {
    /**
     * Does the work.
     *
     * @param context what the host knows about this delivery
     * @param body what came from the step before
     * @return how it ended
     * @throws Exception if it did not end well; see the type
     */
    Outcome handle(Context context, B body) throws Exception;

    /**
     * Undoes the work. Write it so that it can always be done: if it is given up, a person has to come.
     *
     * @param context what the host knows about this delivery
     * @param body what came from the step after this one
     * @param log what this step's {@code handle} left for it
     * @return how it ended
     * @throws Exception if it did not end well; see the type
     */
    Outcome compensate(Context context, B body, CompensationLog log) throws Exception;
}
