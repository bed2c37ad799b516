package step.saga.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.ArrayList;
import java.util.List;

/** Finds where values stand in a JSON text. The text was read or written by Jackson or the host, so it is valid JSON. */
final class Scan {
    private Scan() {}

    /** Where a value stands. */
    record Span(int start, int end) {
        String of(String text) {
            return text.substring(start, end);
        }
    }

    /** One {@code "key": value}; {@code start} is where the key's opening quote stands. */
    record Member(int start, String key, Span value) {}

    /** The members of an object that begins with its brace. */
    static List<Member> members(String object) {
        List<Member> found = new ArrayList<>();
        int at = skipSpaces(object, 1);
        while (at < object.length() && object.charAt(at) == '"') {
            int keyEnd = stringEnd(object, at);
            int colon = skipSpaces(object, keyEnd);
            Span value = valueAt(object, colon + 1);
            int comma = skipSpaces(object, value.end());
            found.add(new Member(at, unquote(object.substring(at, keyEnd)), value));
            at = skipSpaces(object, comma + 1);
        }
        return found;
    }

    /** The elements of an array that begins with its bracket. */
    static List<Span> elements(String array) {
        List<Span> found = new ArrayList<>();
        int at = skipSpaces(array, 1);
        while (at < array.length() && array.charAt(at) != ']') {
            Span value = valueAt(array, at);
            int comma = skipSpaces(array, value.end());
            found.add(value);
            at = skipSpaces(array, comma + 1);
        }
        return found;
    }

    /** The text of a member of an object, cut out as it stands; null if there is none. The last of its name counts. */
    static String member(String object, String key) {
        String found = null;
        for (Member member : members(object)) {
            if (member.key().equals(key)) {
                found = member.value().of(object);
            }
        }
        return found;
    }

    /** The first value at or after a place, without the spaces around it. */
    static Span valueAt(String text, int from) {
        int start = skipSpaces(text, from);
        int depth = 0;
        int at = start;
        while (at < text.length()) {
            char next = text.charAt(at);
            switch (next) {
                case '"' -> {
                    at = stringEnd(text, at);
                    if (depth == 0) {
                        return new Span(start, at);
                    }
                    continue;
                }
                case '{', '[' -> depth++;
                case '}', ']' -> {
                    if (depth == 0) {
                        return new Span(start, at);
                    }
                    depth--;
                    if (depth == 0) {
                        return new Span(start, at + 1);
                    }
                }
                default -> {
                    if (depth == 0 && (next == ',' || isSpace(next))) {
                        return new Span(start, at);
                    }
                }
            }
            at++;
        }
        return new Span(start, at);
    }

    private static String unquote(String quoted) {
        String inner = quoted.substring(1, quoted.length() - 1);
        if (inner.indexOf('\\') < 0) {
            return inner;
        }
        try {
            return JsonText.MAPPER.readValue(quoted, String.class);
        } catch (JsonProcessingException error) {
            return inner;
        }
    }

    private static int skipSpaces(String text, int from) {
        int at = from;
        while (at < text.length() && isSpace(text.charAt(at))) {
            at++;
        }
        return at;
    }

    private static boolean isSpace(char next) {
        return next == ' ' || next == '\t' || next == '\n' || next == '\r';
    }

    /** The end of the string whose opening quote stands at a place. */
    private static int stringEnd(String text, int from) {
        int at = from + 1;
        while (at < text.length()) {
            switch (text.charAt(at)) {
                case '\\' -> at += 2;
                case '"' -> {
                    return at + 1;
                }
                default -> at++;
            }
        }
        return text.length();
    }
}
