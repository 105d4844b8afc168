package federationagent.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.CommandHandler;
import io.gravitee.exchange.api.command.Reply;
import io.gravitee.exchange.api.websocket.protocol.ProtocolVersion;
import io.reactivex.rxjava3.core.Single;
import io.reactivex.rxjava3.subjects.SingleSubject;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Takes INGEST commands, keeps each one whole, tells of it, and answers as the rules say: at once, later, or with an ERROR. */
final class IngestDesk {

    static final String TYPE = "INGEST";

    private final String controller;
    private final Lines out;
    private final Exchanges exchanges;
    private final Map<String, JsonNode> received = new ConcurrentHashMap<>();
    private final Map<String, SingleSubject<Reply<?>>> held = new ConcurrentHashMap<>();
    private volatile List<IngestRule> rules = List.of();

    IngestDesk(String controller, Lines out, Exchanges exchanges) {
        this.controller = controller;
        this.out = out;
        this.exchanges = exchanges;
    }

    /** Replaces all rules. The first one that fits an INGEST decides; without one it is answered SUCCEEDED at once. */
    void rules(JsonNode array) {
        rules = IngestRule.all(array);
    }

    /** Answers an INGEST that is held back: SUCCEEDED, or ERROR with this text. */
    void release(String commandId, String error) {
        SingleSubject<Reply<?>> waiting = held.remove(commandId);
        if (waiting == null) {
            throw new IllegalArgumentException("no INGEST " + commandId + " is held");
        }
        waiting.onSuccess(reply(commandId, error));
    }

    JsonNode whole(String commandId) {
        JsonNode command = received.get(commandId);
        if (command == null) {
            throw new IllegalArgumentException("no INGEST " + commandId + " was received");
        }
        return command;
    }

    CommandHandler<Command<?>, Reply<?>> handler(int connection) {
        return new CommandHandler<>() {
            @Override
            public String supportType() {
                return TYPE;
            }

            @Override
            public Single<Reply<?>> handle(Command<?> command) {
                return Single.defer(() -> take(connection, command));
            }
        };
    }

    private Single<Reply<?>> take(int connection, Command<?> command) throws Exception {
        String text = exchanges.serDe().serialize(ProtocolVersion.V1, command);
        JsonNode json = Lines.parse(text);
        String id = command.getId();
        received.put(id, json);
        JsonNode payload = json.path("payload");
        IngestRule rule = rules.stream().filter(r -> r.takes(payload)).findFirst().orElse(IngestRule.SUCCEED);
        SingleSubject<Reply<?>> waiting = SingleSubject.create();
        if (rule.holds()) {
            // Before the event: whoever hears of it may release it at once.
            held.put(id, waiting);
        }
        out.event("ingest", event(connection, id, payload, text, rule));
        if (rule.holds()) {
            return waiting;
        }
        Single<Reply<?>> answer = Single.fromCallable(() -> reply(id, rule.error()));
        return rule.delayMs() > 0 ? answer.delaySubscription(rule.delayMs(), TimeUnit.MILLISECONDS) : answer;
    }

    private ObjectNode event(int connection, String id, JsonNode payload, String text, IngestRule rule) {
        ObjectNode event = Lines.object().put("controller", controller).put("connection", connection).put("commandId", id);
        event.set("ingestJobId", payload.path("ingestJobId"));
        event.put("done", payload.path("done").asBoolean());
        event.put("held", rule.holds());
        event.put("refused", rule.error() != null);
        event.put("bytes", text.getBytes(StandardCharsets.UTF_8).length);
        ArrayNode ids = event.putArray("apiIds");
        payload.path("apis").forEach(api -> ids.add(api.path("id").asText()));
        return event;
    }

    private Reply<?> reply(String commandId, String error) {
        ObjectNode json = Lines.object().put("commandId", commandId).put("type", TYPE);
        json.put("commandStatus", error == null ? "SUCCEEDED" : "ERROR");
        json.put("errorDetails", error);
        json.set("payload", error == null ? Lines.object() : null);
        return exchanges.reply(json);
    }
}
