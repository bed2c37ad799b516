package step.saga.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a step did not touch, letter for letter. */
class SpliceTest {
    @ParameterizedTest(name = "{0}")
    @CsvSource(delimiter = '|', quoteCharacter = '\'', textBlock = """
            untouched | ' {"z" : 9007199254740993, "a":1.0 } ' | {"a":1} | {"a":1} | ' {"z" : 9007199254740993, "a":1.0 } '
            changed | {"z":18446744073709551616123, "s":"new", "a":-0.0} | {"s":"new"} | {"s":"paid"} | {"z":18446744073709551616123, "s":"paid", "a":-0.0}
            default not added | {"a":1,"keep":1} | {"a":1,"s":""} | {"a":2,"s":""} | {"a":2,"keep":1}
            new at the end | {"a":1, "keep":1 } | {"a":1} | {"a":1,"n":"x","m":2} | {"a":1, "keep":1,"n":"x","m":2 }
            first removed | { "a":1, "b":2, "c":3 } | {"a":1,"b":2,"c":3} | {"b":2,"c":3} | { "b":2, "c":3 }
            last removed | { "a":1, "b":2 } | {"a":1,"b":2} | {"a":1} | { "a":1 }
            only one removed | {"a":1} | {"a":1} | {} | {}
            into an empty object | { } | {} | {"a":1} | {"a":1}
            escaped key | {"\\u0061mount":1.00,"x":1.00} | {"amount":1} | {"amount":2} | {"\\u0061mount":2,"x":1.00}
            key twice | {"x":1.0,"x":2.0} | {"x":2} | {"x":3} | {"x":1.0,"x":3}
            nested | {"o":{"vip":true,"name":"x","s":0.50}} | {"o":{"name":"x"}} | {"o":{"name":"y"}} | {"o":{"vip":true,"name":"y","s":0.50}}
            element changed | [{"i":1,"p":1.10}, {"i":2,"p":2.20}] | [{"i":1},{"i":2}] | [{"i":1},{"i":7}] | [{"i":1,"p":1.10}, {"i":7,"p":2.20}]
            element removed | [{"i":1,"p":1.10}, {"i":2,"p":2.20}] | [{"i":1},{"i":2}] | [{"i":2}] | [{"i":2,"p":2.20}]
            elements moved | [{"i":1,"p":1.10}, {"i":2,"p":2.20}] | [{"i":1},{"i":2}] | [{"i":2},{"i":1}] | [{"i":2,"p":2.20}, {"i":1,"p":1.10}]
            another kind | {"a":{"b":1.0}} | {"a":{"b":1}} | {"a":null} | {"a":null}
            a scalar | ' [1.0] ' | [1] | 1 | ' 1 '
            """)
    void whatWasNotTouchedStaysLetterForLetter(String name, String raw, String before, String after, String want) {
        assertEquals(want, Splice.merge(raw, before, after));
    }

    /** A type that knows every member: what goes on means exactly what the step handed on, whatever it did. */
    @Test
    void whatGoesOnMeansWhatTheStepWrote() throws Exception {
        long seed = new Random().nextLong();
        Random random = new Random(seed);
        for (int round = 0; round < 20_000; round++) {
            JsonNode raw = value(random, 4);
            JsonNode after = value(random, 4);
            String came = random.nextBoolean() ? raw.toPrettyString() : raw.toString();
            String merged = Splice.merge(came, raw.toString(), after.toString());
            String told = "seed " + seed + ": " + came + " and " + after + " became " + merged;
            assertEquals(after, JsonText.MAPPER.readTree(merged), told);
        }
    }

    @Test
    void aLargeBodyIsMergedInNoTime() {
        StringBuilder raw = new StringBuilder("{\"status\":\"new\",\"lines\":[");
        StringBuilder before = new StringBuilder(raw);
        while (raw.length() < 2_000_000) {
            String id = "{\"id\":" + raw.length();
            raw.append(id).append(",\"price\":1.10},");
            before.append(id).append("},");
        }
        raw.append("{}]}");
        before.append("{}]}");
        String after = before.toString().replace("\"new\"", "\"paid\"").replaceFirst("\\{\"id\":\\d+},", "");
        String want = raw.toString().replace("\"new\"", "\"paid\"").replaceFirst("\\{\"id\":\\d+,\"price\":1.10},", "");
        // Linear work takes some ten milliseconds; what grows with the square of it takes minutes.
        String merged =
                assertTimeout(Duration.ofSeconds(10), () -> Splice.merge(raw.toString(), before.toString(), after));
        assertEquals(want, merged);
    }

    private static JsonNode value(Random random, int depth) {
        JsonNodeFactory make = JsonNodeFactory.instance;
        switch (random.nextInt(depth == 0 ? 4 : 6)) {
            case 0:
                return make.nullNode();
            case 1:
                return make.booleanNode(random.nextBoolean());
            case 2:
                return make.numberNode(random.nextInt(2000) - 1000);
            case 3:
                String[] words = {"", "a", "\"", "\\", "},{", "[é]", "a:b"};
                return make.textNode(words[random.nextInt(words.length)]);
            case 4:
                ArrayNode list = make.arrayNode();
                for (int count = random.nextInt(5); count > 0; count--) {
                    list.add(value(random, depth - 1));
                }
                return list;
            default:
                ObjectNode object = make.objectNode();
                for (int count = random.nextInt(5); count > 0; count--) {
                    object.set("k" + random.nextInt(6) + '"', value(random, depth - 1));
                }
                return object;
        }
    }
}
