package step.saga;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.exc.InvalidDefinitionException;
import java.util.Objects;
import java.util.Optional;
import step.saga.internal.JsonText;

/** What a step's {@code handle} left for its {@code compensate}; it may have left nothing. */
public final class CompensationLog {
    private static final CompensationLog NONE = new CompensationLog(null);

    private final String text;

    private CompensationLog(String text) {
        this.text = text;
    }

    /**
     * A log as it came.
     *
     * @param text a JSON text
     * @return the log
     */
    public static CompensationLog of(String text) {
        return new CompensationLog(Objects.requireNonNull(text, "a log without a text is CompensationLog.none()"));
    }

    /**
     * Nothing was left.
     *
     * @return the log that holds nothing
     */
    public static CompensationLog none() {
        return NONE;
    }

    /**
     * Tells whether something was left.
     *
     * @return whether there is a log
     */
    public boolean isPresent() {
        return text != null;
    }

    /**
     * The log as it came.
     *
     * @return a JSON text; empty if nothing was left
     */
    public Optional<String> text() {
        return Optional.ofNullable(text);
    }

    /**
     * Reads the log.
     *
     * @param type what to read it as
     * @param <T> that type
     * @return what was left; empty if that is nothing, or {@code null}
     * @throws Rejected with {@link Rejected#INVALID_COMPENSATION_LOG} if it is something else
     */
    public <T> Optional<T> as(Class<T> type) {
        return read(JsonText.type(type));
    }

    /**
     * Reads the log as a type with parameters: {@code log.as(new TypeReference<List<String>>() {})}.
     *
     * @param type what to read it as
     * @param <T> that type
     * @return what was left; empty if that is nothing, or {@code null}
     * @throws Rejected with {@link Rejected#INVALID_COMPENSATION_LOG} if it is something else
     */
    public <T> Optional<T> as(TypeReference<T> type) {
        return read(JsonText.type(type.getType()));
    }

    private <T> Optional<T> read(JavaType type) {
        if (text == null) {
            return Optional.empty();
        }
        try {
            return Optional.ofNullable(JsonText.read(text, type));
        } catch (InvalidDefinitionException error) {
            // The type is at fault, not the log: that can be mended, so it is tried again.
            throw new IllegalArgumentException(type + " cannot be read as JSON: " + error.getOriginalMessage(), error);
        } catch (JsonProcessingException error) {
            String problem = JsonText.problem(error);
            throw new Rejected(
                    Rejected.INVALID_COMPENSATION_LOG, "the compensation log is not what the step reads: " + problem);
        }
    }
}
