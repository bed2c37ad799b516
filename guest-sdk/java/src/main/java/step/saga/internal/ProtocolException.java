package step.saga.internal;

import java.io.IOException;

/** A host answered something that this library cannot read. */
final class ProtocolException extends IOException {
    private static final long serialVersionUID = 1;

    ProtocolException(String message) {
        super(message);
    }
}
