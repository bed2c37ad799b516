package step.saga;

import java.util.Optional;
import step.saga.internal.JsonText;

/**
 * A business refusal, final: the saga turns round and undoes the steps before this one. This step itself is not undone, so
 * leave nothing behind.
 */
public final class Rejected extends StepException {
    /**
     * The code of the refusal when a body is not what the step's type reads. A refusal, not a retry: the text will be the
     * same next time, so trying again only delays the moment at which somebody sees the reason.
     */
    public static final String INVALID_BODY = "invalid-body";

    /**
     * The code of the refusal when a compensation log is not what the step reads. A person has to look: the undo cannot run,
     * and running it again would not change that.
     */
    public static final String INVALID_COMPENSATION_LOG = "invalid-compensation-log";

    private static final long serialVersionUID = 1;

    /** For programs. */
    private final String code;
    /** A JSON text; null if there are none. */
    private final String details;

    /**
     * Refuses.
     *
     * @param code stable, for programs: {@code insufficient-funds}
     * @param reason for people
     */
    public Rejected(String code, String reason) {
        this(code, reason, null);
    }

    private Rejected(String code, String reason, String details) {
        super(reason);
        this.code = code;
        this.details = details;
    }

    /**
     * Adds more for programs to read.
     *
     * @param details anything that Jackson writes
     * @return this refusal with the details
     * @throws IllegalArgumentException if they cannot be written as JSON
     */
    public Rejected withDetails(Object details) {
        Rejected detailed = new Rejected(code, reason(), JsonText.write("the details", details));
        detailed.setStackTrace(getStackTrace());
        return detailed;
    }

    /**
     * What programs know it by.
     *
     * @return the code
     */
    public String code() {
        return code;
    }

    /**
     * More for programs.
     *
     * @return the details, a JSON text
     */
    public Optional<String> details() {
        return Optional.ofNullable(details);
    }
}
