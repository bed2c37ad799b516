package step.saga;

import java.time.Duration;
import java.util.Optional;

/**
 * A technical failure that may pass: the message comes again, with growing pauses, until the budget of the manifest is used
 * up. Every exception that is no answer does the same.
 */
public final class Retry extends StepException {
    private static final long serialVersionUID = 1;

    /** The least pause; null if the back-off decides. */
    private final Duration after;

    /**
     * Asks to be called again.
     *
     * @param reason for people: what went wrong
     */
    public Retry(String reason) {
        this(reason, null);
    }

    private Retry(String reason, Duration after) {
        super(reason);
        this.after = after;
    }

    /**
     * Says how long to wait at least (to the millisecond, 49 days at most); the manifest's back-off decides otherwise.
     *
     * @param pause the least time until the next call
     * @return this retry with the pause
     */
    public Retry after(Duration pause) {
        Retry later = new Retry(reason(), pause);
        later.setStackTrace(getStackTrace());
        return later;
    }

    /**
     * The least time until the next call.
     *
     * @return the pause, if one was asked for
     */
    public Optional<Duration> after() {
        return Optional.ofNullable(after);
    }
}
