package step.saga;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import step.saga.internal.JsonText;

/**
 * Says that a step is finished, with what goes on and what is published. What is handed in is written as JSON at once: a
 * later change of it changes nothing here.
 */
public final class Outcome {
    private final Kind kind;
    private final String body;
    private final String compensation;
    private final List<Event> events;
    private final List<String> signals;

    /** What becomes of the body. */
    public enum Kind {
        /** It goes on as it came. */
        UNCHANGED,
        /** What the step changed is written into it. */
        MERGED,
        /** Another one goes on in its place. */
        REPLACED
    }

    private Outcome(Kind kind, String body, String compensation, List<Event> events, List<String> signals) {
        this.kind = kind;
        this.body = body;
        this.compensation = compensation;
        this.events = events;
        this.signals = signals;
    }

    /**
     * Finished; the body goes on to the next step.
     *
     * <p>Only what the step changed is written into the text that came: members that the body's type does not know, and those
     * it knows and left alone, go on letter for letter and in their order. In a list, elements are recognised by what the type
     * sees of them; one that was changed while others were added or removed is written as the type has it.
     *
     * @param body of the step's type
     * @return the outcome
     * @throws IllegalArgumentException if it cannot be written as JSON
     */
    public static Outcome done(Object body) {
        return new Outcome(Kind.MERGED, JsonText.write("the body", body), null, List.of(), List.of());
    }

    /**
     * Finished; the body goes on exactly as it came.
     *
     * @return the outcome
     */
    public static Outcome unchanged() {
        return new Outcome(Kind.UNCHANGED, null, null, List.of(), List.of());
    }

    /**
     * Finished; this body alone goes on, and nothing of the one that came is kept.
     *
     * @param body anything that Jackson writes
     * @return the outcome
     * @throws IllegalArgumentException if it cannot be written as JSON
     */
    public static Outcome replaced(Object body) {
        return new Outcome(Kind.REPLACED, JsonText.write("the body", body), null, List.of(), List.of());
    }

    /**
     * Adds what {@code compensate} will need to undo this: handed back to it, if the saga turns round, and to nobody else. Put
     * in what cannot be told from the body. In an answer of {@code compensate} it is ignored.
     *
     * @param log anything that Jackson writes; {@code null} is no log
     * @return this outcome with the log
     * @throws IllegalArgumentException if it cannot be written as JSON
     */
    public Outcome withCompensation(Object log) {
        String text = JsonText.write("the compensation log", log);
        return new Outcome(kind, body, text.equals("null") ? null : text, events, signals);
    }

    /**
     * Publishes a message with the answer. The manifest must grant {@code events} and name the topic.
     *
     * @param topic where to
     * @param body anything that Jackson writes
     * @return this outcome with the event
     * @throws IllegalArgumentException if the body cannot be written as JSON
     */
    public Outcome emit(String topic, Object body) {
        Event event = new Event(topic, JsonText.write("the event", body));
        return new Outcome(kind, this.body, compensation, with(events, event), signals);
    }

    /**
     * Makes a key true with the answer: what waits for it goes on. The manifest must grant {@code events}.
     *
     * @param key as in {@link Wait}
     * @return this outcome with the signal
     */
    public Outcome signal(String key) {
        return new Outcome(kind, body, compensation, events, with(signals, key));
    }

    private static <T> List<T> with(List<T> list, T last) {
        List<T> longer = new ArrayList<>(list);
        longer.add(last);
        return List.copyOf(longer);
    }

    /**
     * What becomes of the body.
     *
     * @return the kind
     */
    public Kind kind() {
        return kind;
    }

    /**
     * The body as the step handed it in.
     *
     * @return a JSON text; empty if the body goes on as it came
     */
    public Optional<String> body() {
        return Optional.ofNullable(body);
    }

    /**
     * What {@code compensate} gets back.
     *
     * @return a JSON text; empty if there is none
     */
    public Optional<String> compensation() {
        return Optional.ofNullable(compensation);
    }

    /**
     * What is published.
     *
     * @return the events, in their order
     */
    public List<Event> events() {
        return events;
    }

    /**
     * What is signalled.
     *
     * @return the keys, in their order
     */
    public List<String> signals() {
        return signals;
    }
}
