package step.saga;

import java.time.Duration;
import java.util.Optional;

/**
 * A precondition is not there yet: the message is parked and comes again when the key is signalled, or at once if that
 * signal was faster and is still remembered.
 */
public final class Wait extends StepException {
    private static final long serialVersionUID = 1;

    /** What is waited for. */
    private final String key;
    /** The longest wait; null if the manifest decides. */
    private final Duration timeout;

    /**
     * Waits for a signal.
     *
     * @param key what is waited for: {@code customer/42}; 1 to 256 printable characters
     * @param reason for people: shown wherever the saga is shown
     */
    public Wait(String key, String reason) {
        this(key, reason, null);
    }

    private Wait(String key, String reason, Duration timeout) {
        super(reason);
        this.key = key;
        this.timeout = timeout;
    }

    /**
     * Says when to give up (to the millisecond, 49 days at most); the manifest's time decides otherwise.
     *
     * @param limit the longest wait
     * @return this wait with the limit
     */
    public Wait timeout(Duration limit) {
        Wait bounded = new Wait(key, reason(), limit);
        bounded.setStackTrace(getStackTrace());
        return bounded;
    }

    /**
     * What is waited for.
     *
     * @return the key
     */
    public String key() {
        return key;
    }

    /**
     * The longest wait.
     *
     * @return the limit, if one was given
     */
    public Optional<Duration> timeout() {
        return Optional.ofNullable(timeout);
    }
}
