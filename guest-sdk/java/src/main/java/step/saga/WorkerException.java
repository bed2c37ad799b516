package step.saga;

/** A worker ended because it cannot work: its token is refused, for example. The message says what to do. */
public final class WorkerException extends RuntimeException {
    private static final long serialVersionUID = 1;

    WorkerException(String message) {
        super(message);
    }
}
