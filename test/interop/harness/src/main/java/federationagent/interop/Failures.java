package federationagent.interop;

import com.fasterxml.jackson.databind.node.ObjectNode;

/** Turns what was thrown into something the other side can compare: the innermost cause's class and its message. */
final class Failures {

    private Failures() {}

    static ObjectNode describe(Throwable failure) {
        Throwable cause = failure;
        while (cause.getCause() != null && cause.getCause() != cause) {
            cause = cause.getCause();
        }
        return Lines
            .object()
            .put("kind", cause.getClass().getSimpleName())
            .put("message", cause.getMessage())
            .put("outer", failure.getClass().getSimpleName());
    }
}
