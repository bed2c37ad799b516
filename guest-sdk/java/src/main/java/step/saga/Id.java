package step.saga;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.databind.JsonNode;

/**
 * An identifier as it comes in the wild: one producer writes {@code "42"}, another {@code 42}. It is read from a text that is
 * not empty or from a whole number of any length, and written back as it came. Two ids are equal if they say the same.
 */
public final class Id {
    private final JsonNode value;
    private final String text;

    private Id(JsonNode value) {
        this.value = value;
        this.text = value.asText();
    }

    /**
     * Reads a text or a whole number.
     *
     * @param value what stands in the body
     * @return the id
     * @throws IllegalArgumentException if it is something else
     */
    @JsonCreator(mode = JsonCreator.Mode.DELEGATING)
    public static Id of(JsonNode value) {
        boolean isGood =
                value.isIntegralNumber() || value.isTextual() && !value.asText().isEmpty();
        if (!isGood) {
            throw new IllegalArgumentException("an identifier is a text that is not empty, or a whole number");
        }
        return new Id(value);
    }

    /**
     * The id as it came.
     *
     * @return a text or a number
     */
    @JsonValue
    public JsonNode value() {
        return value;
    }

    /** What it says, without quotes. */
    @Override
    public String toString() {
        return text;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Id id && id.text.equals(text);
    }

    @Override
    public int hashCode() {
        return text.hashCode();
    }
}
