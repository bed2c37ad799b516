package step.saga.internal;

import java.time.Duration;
import java.util.List;
import java.util.Optional;
import step.saga.Event;
import step.saga.Rejected;
import step.saga.Retry;
import step.saga.StepException;
import step.saga.Wait;

/** What a call comes to, as the host gets it. */
public sealed interface Answer {
    /** Milliseconds that the contract can tell: a little more than 49 days. */
    long MILLISECONDS_MAX = 0xffff_ffffL;

    /** The step is finished. Body and compensation log are JSON texts. */
    record Done(String body, Optional<String> compensation, List<Event> events, List<String> signals)
            implements Answer {}

    /** The step refuses, asks to be called again, or waits. */
    record Stopped(StepException answer) implements Answer {}

    /** A retry for a reason of the library. */
    static Answer retry(String reason) {
        return new Stopped(new Retry(reason));
    }

    /** The body of the request that tells it. Texts of the step are put in as they are, never read and written again. */
    default String toJson() {
        if (this instanceof Done done) {
            return done(done);
        }
        StepException answer = ((Stopped) this).answer();
        StringBuilder out = new StringBuilder();
        if (answer instanceof Rejected rejected) {
            out.append("{\"rejected\":{\"code\":").append(quoted(rejected.code()));
            reason(out, answer);
            rejected.details().ifPresent(details -> out.append(",\"details\":").append(details));
        } else if (answer instanceof Wait wait) {
            out.append("{\"wait\":{\"key\":").append(quoted(wait.key()));
            reason(out, answer);
            wait.timeout().ifPresent(limit -> out.append(",\"timeout-ms\":").append(milliseconds(limit)));
        } else {
            out.append("{\"retry\":{\"reason\":").append(quoted(answer.reason()));
            ((Retry) answer)
                    .after()
                    .ifPresent(pause -> out.append(",\"after-ms\":").append(milliseconds(pause)));
        }
        return out.append("}}").toString();
    }

    private static void reason(StringBuilder out, StepException answer) {
        out.append(",\"reason\":").append(quoted(answer.reason()));
    }

    private static String done(Done done) {
        StringBuilder out = new StringBuilder("{\"done\":{\"body\":").append(done.body());
        done.compensation().ifPresent(log -> out.append(",\"compensation\":").append(log));
        String separator = ",\"events\":[";
        for (Event event : done.events()) {
            out.append(separator).append("{\"topic\":").append(quoted(event.topic()));
            out.append(",\"body\":").append(event.body()).append('}');
            separator = ",";
        }
        out.append(done.events().isEmpty() ? "" : "]");
        if (!done.signals().isEmpty()) {
            out.append(",\"signals\":").append(JsonText.write("the signals", done.signals()));
        }
        return out.append("}}").toString();
    }

    private static String quoted(String text) {
        return JsonText.write("a text", text);
    }

    private static long milliseconds(Duration span) {
        if (span.isNegative()) {
            return 0;
        }
        return span.compareTo(Duration.ofMillis(MILLISECONDS_MAX)) > 0 ? MILLISECONDS_MAX : span.toMillis();
    }
}
