package step.saga.testing;

import com.fasterxml.jackson.core.JsonProcessingException;
import java.util.List;
import java.util.Optional;
import step.saga.Event;
import step.saga.Rejected;
import step.saga.Retry;
import step.saga.StepException;
import step.saga.Wait;
import step.saga.internal.Answer;
import step.saga.internal.JsonText;

/** One call and what came of it. */
public final class Run {
    private final String body;
    private final Answer answer;

    Run(String body, Answer answer) {
        this.body = body;
        this.answer = answer;
    }

    /**
     * The answer of a step that is done.
     *
     * @param body what goes on: a JSON text
     * @param compensation what {@code compensate} gets back: a JSON text
     * @param events what is published
     * @param signals what is signalled
     */
    public record Done(String body, Optional<String> compensation, List<Event> events, List<String> signals) {
        /**
         * Reads the body that goes on.
         *
         * @param type what to read it as
         * @param <T> that type
         * @return the body
         */
        public <T> T body(Class<T> type) {
            return read("body", body, type);
        }

        /**
         * Reads the compensation log; there must be one.
         *
         * @param type what to read it as
         * @param <T> that type
         * @return the log
         */
        public <T> T compensation(Class<T> type) {
            String log = compensation.orElseThrow(() -> new AssertionError("the step left no compensation log"));
            return read("compensation log", log, type);
        }

        private static <T> T read(String what, String text, Class<T> type) {
            try {
                return JsonText.read(text, JsonText.type(type));
            } catch (JsonProcessingException error) {
                throw new AssertionError("the " + what + " " + text + ": " + JsonText.problem(error), error);
            }
        }
    }

    /**
     * The answer, which must be "done".
     *
     * @return what goes on, and what was published
     */
    public Done done() {
        if (answer instanceof Answer.Done done) {
            return new Done(done.body(), done.compensation(), done.events(), done.signals());
        }
        throw another("done");
    }

    /**
     * The refusal; the answer must be one.
     *
     * @return the refusal
     */
    public Rejected rejected() {
        return stopped("rejected", Rejected.class);
    }

    /**
     * The request to be called again; the answer must be one.
     *
     * @return the request
     */
    public Retry retry() {
        return stopped("retry", Retry.class);
    }

    /**
     * What is waited for; the answer must be that.
     *
     * @return the wait
     */
    public Wait waits() {
        return stopped("wait", Wait.class);
    }

    private <T extends StepException> T stopped(String word, Class<T> type) {
        if (answer instanceof Answer.Stopped stopped && type.isInstance(stopped.answer())) {
            return type.cast(stopped.answer());
        }
        throw another(word);
    }

    private AssertionError another(String word) {
        return new AssertionError("expected " + word + " for body " + body + ", got " + answer.toJson());
    }
}
