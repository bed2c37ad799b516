package step.saga.internal;

import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Queue;
import step.saga.internal.Scan.Member;
import step.saga.internal.Scan.Span;

/**
 * Owns the promise "what a step did not touch goes on as it came": writes what a step changed into the text that arrived
 * and leaves every other character alone. Knows JSON texts only, nothing of steps.
 */
final class Splice {
    private static final int NONE = -1;

    private final StringBuilder out;

    private Splice(int capacity) {
        out = new StringBuilder(capacity);
    }

    /**
     * The body that goes on. Where {@code before} and {@code after} agree, the step changed nothing, and the text of
     * {@code raw} stays: digits, order of keys, unknown members, spaces.
     *
     * @param raw the text that arrived
     * @param before what the step's type made of it, written back at once
     * @param after what the step hands on
     */
    static String merge(String raw, String before, String after) {
        Splice splice = new Splice(raw.length() + after.length() / 4);
        splice.value(raw, before, after);
        return splice.out.toString();
    }

    private void value(String raw, String before, String after) {
        if (before.equals(after)) {
            out.append(raw);
            return;
        }
        Span value = Scan.valueAt(raw, 0);
        out.append(raw, 0, value.start());
        String inner = value.of(raw);
        if (all('{', inner, before, after)) {
            objects(inner, before, after);
        } else if (all('[', inner, before, after)) {
            arrays(inner, before, after);
        } else {
            out.append(after);
        }
        out.append(raw, value.end(), raw.length());
    }

    private static boolean all(char first, String... texts) {
        return Arrays.stream(texts).allMatch(text -> !text.isEmpty() && text.charAt(0) == first);
    }

    /** Members of an object by key. A key that stands twice: the last one counts, as it does for every reader. */
    private record Named(String text, List<Member> members, Map<String, Integer> places) {
        static Named of(String text) {
            List<Member> members = Scan.members(text);
            Map<String, Integer> places = new HashMap<>();
            for (int place = 0; place < members.size(); place++) {
                places.put(members.get(place).key(), place);
            }
            return new Named(text, members, places);
        }

        String value(String key) {
            Integer place = places.get(key);
            return place == null ? null : members.get(place).value().of(text);
        }

        boolean counts(int index) {
            return places.get(members.get(index).key()) == index;
        }
    }

    /** Members keep their place. Gone is what the type knew and no longer writes; new members follow at the end. */
    private void objects(String raw, String before, String after) {
        Named came = Named.of(raw);
        Named old = Named.of(before);
        Named now = Named.of(after);
        List<Member> members = came.members();
        boolean isFirst = true;
        out.append(raw, 0, members.isEmpty() ? 1 : members.get(0).start());
        for (int index = 0; index < members.size(); index++) {
            Member member = members.get(index);
            String was = old.value(member.key());
            String is = now.value(member.key());
            if (was != null && is == null) {
                continue;
            }
            if (!isFirst) {
                out.append(raw, members.get(index - 1).value().end(), member.start());
            }
            isFirst = false;
            out.append(raw, member.start(), member.value().start());
            String value = member.value().of(raw);
            if (is == null || !came.counts(index)) {
                out.append(value);
            } else if (was == null) {
                out.append(is);
            } else {
                value(value, was, is);
            }
        }
        append(came, old, now, isFirst);
        out.append(
                raw,
                members.isEmpty() ? raw.length() - 1 : last(members).value().end(),
                raw.length());
    }

    /** What the type writes and the text that came did not have. */
    private void append(Named came, Named old, Named now, boolean nothingBefore) {
        boolean isFirst = nothingBefore;
        for (Member member : now.members()) {
            String key = member.key();
            // What the type filled in by itself (a default) is no change of the step's.
            if (came.places().containsKey(key) || now.value(key).equals(old.value(key))) {
                continue;
            }
            if (!isFirst) {
                out.append(',');
            }
            isFirst = false;
            out.append(now.text(), member.start(), member.value().end());
        }
    }

    /** Pairs each new element with the old one it most likely is. Unpaired ones are written as the type has them. */
    private void arrays(String raw, String before, String after) {
        List<Span> raws = Scan.elements(raw);
        List<Span> olds = Scan.elements(before);
        List<Span> news = Scan.elements(after);
        if (raws.size() != olds.size()) {
            out.append(after);
            return;
        }
        String[] oldTexts = texts(before, olds);
        String[] newTexts = texts(after, news);
        int[] partners = pair(oldTexts, newTexts);
        boolean keepsLayout = raws.size() == news.size() && !raws.isEmpty();
        out.append(keepsLayout ? raw.substring(0, raws.get(0).start()) : "[");
        for (int index = 0; index < newTexts.length; index++) {
            if (index > 0 && keepsLayout) {
                out.append(raw, raws.get(index - 1).end(), raws.get(index).start());
            } else if (index > 0) {
                out.append(',');
            }
            int old = partners[index];
            if (old == NONE) {
                out.append(newTexts[index]);
            } else {
                value(raws.get(old).of(raw), oldTexts[old], newTexts[index]);
            }
        }
        out.append(keepsLayout ? raw.substring(last(raws).end()) : "]");
    }

    /**
     * For each new element the index of the old one it stands for: the same text at the same place, then the same text
     * elsewhere, then (as many as before) the one at the same place.
     */
    private static int[] pair(String[] olds, String[] news) {
        int[] partners = new int[news.length];
        Arrays.fill(partners, NONE);
        boolean[] taken = new boolean[olds.length];
        for (int index = 0; index < Math.min(olds.length, news.length); index++) {
            if (olds[index].equals(news[index])) {
                partners[index] = index;
                taken[index] = true;
            }
        }
        Map<String, Queue<Integer>> free = new HashMap<>();
        for (int index = 0; index < olds.length; index++) {
            if (!taken[index]) {
                free.computeIfAbsent(olds[index], text -> new ArrayDeque<>()).add(index);
            }
        }
        for (int index = 0; index < news.length; index++) {
            Queue<Integer> places = partners[index] == NONE ? free.get(news[index]) : null;
            Integer place = places == null ? null : places.poll();
            if (place != null) {
                partners[index] = place;
                taken[place] = true;
            }
        }
        for (int index = 0; olds.length == news.length && index < news.length; index++) {
            if (partners[index] == NONE && !taken[index]) {
                partners[index] = index;
            }
        }
        return partners;
    }

    private static String[] texts(String text, List<Span> spans) {
        return spans.stream().map(span -> span.of(text)).toArray(String[]::new);
    }

    private static <T> T last(List<T> list) {
        return list.get(list.size() - 1);
    }
}
