package federationagent.interop;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/** How some INGESTs are answered: {@code {"apiId":…,"times":…,"hold":…,"delayMs":…,"error":…}}, each field optional. */
final class IngestRule {

    static final IngestRule SUCCEED = new IngestRule(null, 0, false, 0, null);

    private final String apiId;
    private final boolean limited;
    private final AtomicInteger left;
    private final boolean holds;
    private final long delayMs;
    private final String error;

    private IngestRule(String apiId, int times, boolean holds, long delayMs, String error) {
        this.apiId = apiId;
        this.limited = times > 0;
        this.left = new AtomicInteger(times);
        this.holds = holds;
        this.delayMs = delayMs;
        this.error = error;
    }

    static List<IngestRule> all(JsonNode array) {
        List<IngestRule> rules = new ArrayList<>();
        array.forEach(rule ->
            rules.add(
                new IngestRule(
                    rule.path("apiId").asText(null),
                    rule.path("times").asInt(),
                    rule.path("hold").asBoolean(),
                    rule.path("delayMs").asLong(),
                    rule.path("error").asText(null)
                )
            )
        );
        return List.copyOf(rules);
    }

    /** Whether this rule decides for an INGEST; a rule for so many times is one time nearer to its end then. */
    boolean takes(JsonNode payload) {
        if (apiId != null && !contains(payload)) {
            return false;
        }
        return !limited || left.getAndUpdate(n -> Math.max(0, n - 1)) > 0;
    }

    private boolean contains(JsonNode payload) {
        for (JsonNode api : payload.path("apis")) {
            if (apiId.equals(api.path("id").asText())) {
                return true;
            }
        }
        return false;
    }

    boolean holds() {
        return holds;
    }

    long delayMs() {
        return delayMs;
    }

    String error() {
        return error;
    }
}
