package step.saga.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** A step's manifest, as far as a test needs it: address, grants and topics. The host reads it in full and is stricter. */
record Manifest(String address, List<String> grants, List<String> topics) {
    private static final Pattern NAME = Pattern.compile("((?:[a-z0-9][a-z0-9-]*\\.){2}[a-z0-9][a-z0-9-]*)\\.toml");
    private static final Pattern TEXT = Pattern.compile("\"([^\"]*)\"|'([^']*)'");

    /** The one manifest in a folder. */
    static Manifest in(Path folder) {
        try (Stream<Path> files = Files.list(folder)) {
            List<Path> found = files.filter(
                            file -> NAME.matcher(file.getFileName().toString()).matches())
                    .toList();
            if (found.size() != 1) {
                throw new IllegalArgumentException(
                        folder + " must hold one <domain>.<subdomain>.<service>.toml, it holds " + found);
            }
            Path file = found.get(0);
            Matcher name = NAME.matcher(file.getFileName().toString());
            return parse(name.replaceFirst("$1"), Files.readString(file));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    static Manifest parse(String address, String text) {
        List<String> grants = new ArrayList<>();
        List<String> topics = new ArrayList<>();
        String table = "";
        StringBuilder open = new StringBuilder();
        for (String written : text.lines().toList()) {
            String line = open.append(withoutComment(written).strip()).toString();
            if (line.startsWith("[") && !line.contains("=")) {
                table = line.replaceAll("[\\[\\] ]", "");
            } else if (line.matches("[^=]+=\\s*\\[.*") && !line.endsWith("]")) {
                continue;
            } else if (table.isEmpty() && line.matches("grants\\s*=.*")) {
                texts(line, grants);
            } else if (table.equals("events") && line.matches("topics\\s*=.*")) {
                texts(line, topics);
            }
            open.setLength(0);
        }
        return new Manifest(address, List.copyOf(grants), List.copyOf(topics));
    }

    private static void texts(String line, List<String> into) {
        Matcher texts = TEXT.matcher(line.substring(line.indexOf('=')));
        while (texts.find()) {
            into.add(texts.group(1) == null ? texts.group(2) : texts.group(1));
        }
    }

    /** Takes off what follows a # outside quotes. */
    private static String withoutComment(String line) {
        char quote = 0;
        for (int at = 0; at < line.length(); at++) {
            char next = line.charAt(at);
            if (quote == 0 && next == '#') {
                return line.substring(0, at);
            }
            if (quote == 0 && (next == '"' || next == '\'')) {
                quote = next;
            } else if (next == quote) {
                quote = 0;
            }
        }
        return line;
    }
}
