package step.saga.internal;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JavaType;
import com.fasterxml.jackson.databind.exc.InvalidDefinitionException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import step.saga.CompensationLog;
import step.saga.Context;
import step.saga.Direction;
import step.saga.Outcome;
import step.saga.Rejected;
import step.saga.Retry;
import step.saga.Step;
import step.saga.StepException;

/** Makes calls of a step, from text to text. Whatever the step throws becomes an answer. */
public final class StepCaller<B> {
    /** Bytes of a stack trace that go into the reason of a retry. The host keeps 4 KiB of a reason. */
    private static final int TRACE_BYTES_MAX = 3500;
    /** Characters of one line of it: the words of an exception may be a whole page. */
    private static final int LINE_CHARACTERS_MAX = 600;
    /** Causes that are looked through for an answer. A chain may be a ring. */
    private static final int CAUSES_MAX = 32;
    /** Frames below the first of these were not the step's doing. */
    private static final String OWN_FRAME = "\tat " + StepCaller.class.getName() + ".";

    private static final String OWN_MODULE_FRAME = "/" + StepCaller.class.getName() + ".";

    private final Step<B> step;
    private final JavaType bodyType;

    /**
     * Finds out what the step reads.
     *
     * @throws IllegalArgumentException if that cannot be told
     */
    public StepCaller(Step<B> step) {
        this.step = step;
        JavaType type = JsonText.type(step.getClass()).findSuperType(Step.class).containedTypeOrUnknown(0);
        if (type.isJavaLangObject()) {
            throw new IllegalArgumentException(
                    "what type of body " + step.getClass().getName()
                            + " reads cannot be told; write a class that implements Step<YourBody>");
        }
        this.bodyType = type;
    }

    /** Makes one call. The log counts in the direction {@code compensate} only. */
    public Answer call(Context context, String body, Optional<String> log) {
        try {
            return answer(context, body, log);
            // Also what is no exception of the step's own: an exhausted stack, a failed assertion, a missing class.
        } catch (Throwable thrown) {
            return new Answer.Stopped(answerIn(thrown).orElseGet(() -> new Retry(trace(thrown))));
        }
    }

    private Answer answer(Context context, String raw, Optional<String> log) throws Exception {
        B body;
        try {
            body = JsonText.read(raw, bodyType);
        } catch (InvalidDefinitionException error) {
            // The type is at fault, not the body: no message must be refused for it.
            throw error;
        } catch (JsonProcessingException error) {
            throw invalidBody(context, JsonText.problem(error));
        }
        if (body == null) {
            throw invalidBody(context, "it is null");
        }
        // Written before the step touches it: what is the same afterwards was not changed.
        String before = JsonText.write("the body's type", body);
        Outcome outcome;
        if (context.direction() == Direction.HANDLE) {
            outcome = step.handle(context, body);
        } else {
            outcome = step.compensate(context, body, logOf(log));
        }
        if (outcome == null) {
            throw new NullPointerException(
                    "the step returned null; return Outcome.unchanged() if the body goes on as it came");
        }
        String goesOn = switch (outcome.kind()) {
            case UNCHANGED -> raw;
            case MERGED -> Splice.merge(raw, before, outcome.body().orElseThrow());
            case REPLACED -> outcome.body().orElseThrow();
        };
        return new Answer.Done(goesOn, outcome.compensation(), outcome.events(), outcome.signals());
    }

    /** A log that is {@code null} is none, as everywhere on the way of a message. */
    private static CompensationLog logOf(Optional<String> text) {
        return text.filter(log -> !log.strip().equals("null"))
                .map(CompensationLog::of)
                .orElse(CompensationLog.none());
    }

    private static Rejected invalidBody(Context context, String problem) {
        String reason = "the body is not what " + context.address() + " reads: " + problem;
        return new Rejected(Rejected.INVALID_BODY, reason);
    }

    /** An answer counts wherever it stands among the causes: futures and proxies wrap what they were thrown. */
    private static Optional<StepException> answerIn(Throwable thrown) {
        Throwable cause = thrown;
        for (int depth = 0; cause != null && depth < CAUSES_MAX; depth++) {
            if (cause instanceof StepException answer) {
                return Optional.of(answer);
            }
            cause = cause.getCause();
        }
        return Optional.empty();
    }

    /** The words of an exception and the part of its stack trace that tells the author where it was. */
    private static String trace(Throwable thrown) {
        StringWriter text = new StringWriter();
        thrown.printStackTrace(new PrintWriter(text, true));
        StringBuilder out = new StringBuilder();
        int bytes = 0;
        boolean isBelow = false;
        for (String whole : text.toString().lines().toList()) {
            boolean isFrame = whole.stripLeading().startsWith("at ");
            // A cause has a trace of its own, behind the frames that are left out here.
            isBelow = isFrame && (isBelow || whole.startsWith(OWN_FRAME) || whole.contains(OWN_MODULE_FRAME));
            if (isBelow) {
                continue;
            }
            String line = whole.length() > LINE_CHARACTERS_MAX ? whole.substring(0, LINE_CHARACTERS_MAX) + "…" : whole;
            bytes += line.getBytes(StandardCharsets.UTF_8).length + 1;
            if (bytes > TRACE_BYTES_MAX) {
                return out.append('…').toString();
            }
            out.append(line).append('\n');
        }
        return out.toString().strip();
    }
}
