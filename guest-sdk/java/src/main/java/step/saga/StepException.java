package step.saga;

/** An answer of a step that is not "done". Everything else that the call asked for is discarded. */
public abstract sealed class StepException extends RuntimeException permits Rejected, Retry, Wait {
    private static final long serialVersionUID = 1;

    StepException(String reason) {
        super(reason == null ? "" : reason);
    }

    /**
     * Why, for people.
     *
     * @return the reason
     */
    public final String reason() {
        return getMessage();
    }
}
