package step.saga.internal;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.JsonMappingException;
import com.fasterxml.jackson.databind.MapperFeature;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.SerializerProvider;
import com.fasterxml.jackson.databind.cfg.CoercionAction;
import com.fasterxml.jackson.databind.cfg.CoercionInputShape;
import com.fasterxml.jackson.databind.cfg.JsonNodeFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.module.SimpleModule;
import com.fasterxml.jackson.databind.ser.std.StdScalarSerializer;
import com.fasterxml.jackson.databind.type.LogicalType;
import java.io.IOException;
import java.math.BigDecimal;

/**
 * Reads and writes JSON the same way wherever a step meets it: bodies, compensation logs, events. It is Jackson without
 * what would change a message that only passes through, and without its leniency about types: a step in another language
 * would refuse the same body.
 */
public final class JsonText {
    /** Zeros that a number may be written out with; beyond them it is written with an exponent. */
    private static final int PLAIN_ZEROS_MAX = 64;

    /** The one mapper. Modules on the class path (dates, for example) are taken. */
    static final JsonMapper MAPPER = mapper();

    private JsonText() {}

    private static JsonMapper mapper() {
        // Names come from outside, so they are not remembered for good, and one may be as long as a body.
        StreamReadConstraints constraints =
                StreamReadConstraints.builder().maxNameLength(Integer.MAX_VALUE).build();
        JsonFactory factory = JsonFactory.builder()
                .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
                .streamReadConstraints(constraints)
                .build();
        return JsonMapper.builder(factory)
                .findAndAddModules()
                .addModule(new SimpleModule("saga").addSerializer(new ExactDecimals()))
                // What is not set is not written; in a map, null is a value as any other.
                .defaultPropertyInclusion(
                        JsonInclude.Value.construct(JsonInclude.Include.NON_ABSENT, JsonInclude.Include.ALWAYS))
                .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
                .disable(DeserializationFeature.ACCEPT_FLOAT_AS_INT)
                .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
                .disable(JsonNodeFeature.STRIP_TRAILING_BIGDECIMAL_ZEROES)
                .disable(SerializationFeature.WRITE_DATES_AS_TIMESTAMPS)
                .disable(SerializationFeature.FAIL_ON_EMPTY_BEANS)
                .disable(MapperFeature.ALLOW_COERCION_OF_SCALARS)
                .withCoercionConfig(
                        LogicalType.Textual,
                        config -> config.setCoercion(CoercionInputShape.Integer, CoercionAction.Fail)
                                .setCoercion(CoercionInputShape.Float, CoercionAction.Fail)
                                .setCoercion(CoercionInputShape.Boolean, CoercionAction.Fail))
                // An amount may come as a text with a number in it.
                .withCoercionConfig(
                        BigDecimal.class,
                        config -> config.setCoercion(CoercionInputShape.String, CoercionAction.TryConvert))
                .build();
    }

    /** The type that a Java type is to Jackson. */
    public static JavaType type(java.lang.reflect.Type type) {
        return MAPPER.constructType(type);
    }

    /**
     * Read one JSON text.
     *
     * @throws JsonProcessingException if it is not what the type reads
     */
    public static <T> T read(String text, JavaType type) throws JsonProcessingException {
        return MAPPER.readValue(text, type);
    }

    /**
     * Write a value as one JSON text without spaces.
     *
     * @throws IllegalArgumentException if it cannot be written
     */
    public static String write(String what, Object value) {
        try {
            return MAPPER.writeValueAsString(value);
        } catch (JsonProcessingException error) {
            throw new IllegalArgumentException(
                    what + " cannot be written as JSON: " + error.getOriginalMessage(), error);
        }
    }

    /** What is wrong, in one line, and where. */
    public static String problem(JsonProcessingException error) {
        StringBuilder place = new StringBuilder();
        if (error instanceof JsonMappingException mapping) {
            for (JsonMappingException.Reference step : mapping.getPath()) {
                place.append('/').append(step.getFieldName() == null ? step.getIndex() : step.getFieldName());
            }
        }
        String message = error.getOriginalMessage().lines().findFirst().orElse("it cannot be read");
        // How Jackson could be told to let it pass helps nobody who reads this.
        message = message.replaceAll(" \\(set [\\w.]+ to '\\w+' to allow\\)", "");
        return place.isEmpty() ? message : message + " (at " + place + ")";
    }

    /** Amounts as people write them: 1200 and not 1.2E+3. */
    private static final class ExactDecimals extends StdScalarSerializer<BigDecimal> {
        private static final long serialVersionUID = 1;

        ExactDecimals() {
            super(BigDecimal.class);
        }

        @Override
        public void serialize(BigDecimal value, JsonGenerator out, SerializerProvider provider) throws IOException {
            boolean isPlain = Math.abs((long) value.scale()) <= PLAIN_ZEROS_MAX;
            out.writeNumber(isPlain ? value.toPlainString() : value.toString());
        }
    }
}
