package federationagent.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.CommandHandler;
import io.gravitee.exchange.api.command.Reply;
import io.gravitee.exchange.api.controller.ControllerCommandContext;
import io.gravitee.exchange.api.controller.ControllerCommandHandlersFactory;
import io.gravitee.exchange.controller.websocket.auth.WebSocketControllerAuthentication;
import io.vertx.rxjava3.core.http.HttpServerRequest;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** What APIM itself would decide: who may connect, which integrations there are, how an INGEST is answered. */
final class Desk implements WebSocketControllerAuthentication<Desk.Context>, ControllerCommandHandlersFactory {

    /** As APIM: this many characters are cut off the header whatever they are, and the rest is trimmed. */
    private static final int SCHEME_LENGTH = "bearer".length();

    private final String controller;
    private final Lines out;
    private final Exchanges exchanges;
    private final IngestDesk ingests;
    private final Set<String> tokens = ConcurrentHashMap.newKeySet();
    private final Map<String, String> providers = new ConcurrentHashMap<>();
    private final AtomicInteger connections = new AtomicInteger();
    private volatile boolean authenticationBroken;

    Desk(String controller, Lines out, Exchanges exchanges) {
        this.controller = controller;
        this.out = out;
        this.exchanges = exchanges;
        this.ingests = new IngestDesk(controller, out, exchanges);
    }

    /** An accepted or refused upgrade. Connections are numbered from 1 in the order of their upgrade requests. */
    record Context(int connection, boolean isValid) implements ControllerCommandContext {}

    @Override
    public Context authenticate(HttpServerRequest request) {
        int connection = connections.incrementAndGet();
        boolean valid = false;
        try {
            if (authenticationBroken) {
                throw new IllegalStateException("told to fail");
            }
            String header = request.getHeader("Authorization");
            valid = header != null && tokens.contains(header.substring(SCHEME_LENGTH).trim());
        } finally {
            out.event("upgrade", Lines.object().put("controller", controller).put("connection", connection).put("accepted", valid));
        }
        return new Context(connection, valid);
    }

    @Override
    public List<CommandHandler<? extends Command<?>, ? extends Reply<?>>> buildCommandHandlers(ControllerCommandContext context) {
        int connection = ((Context) context).connection();
        List<CommandHandler<? extends Command<?>, ? extends Reply<?>>> handlers = new ArrayList<>();
        handlers.add(new HelloHandler(connection, this));
        if (exchanges.knowsCommand(IngestDesk.TYPE)) {
            handlers.add(ingests.handler(connection));
        }
        return handlers;
    }

    /** Takes over what an earlier run had been told: {@code tokens}, {@code integrations} and {@code rules} of a start. */
    void restore(JsonNode start) {
        start.path("tokens").forEach(token -> token(token.asText(), true));
        start.path("integrations").fields().forEachRemaining(i -> integration(i.getKey(), i.getValue().asText()));
        ingests.rules(start.path("rules"));
    }

    void token(String token, boolean valid) {
        if (valid) {
            tokens.add(token);
        } else {
            tokens.remove(token);
        }
    }

    /** While broken, APIM's look-up of the token throws, which the controller answers with a 500. */
    void breakAuthentication(boolean broken) {
        authenticationBroken = broken;
    }

    /** Creates or changes an integration; a provider of null deletes it. */
    void integration(String target, String provider) {
        if (provider == null) {
            providers.remove(target);
        } else {
            providers.put(target, provider);
        }
    }

    Set<String> targets() {
        return providers.keySet();
    }

    /** The text of APIM's refusal of a HELLO, or null where it is accepted. */
    String refusal(String target, String provider) {
        String expected = target == null ? null : providers.get(target);
        if (expected == null) {
            return "Integration [id=" + target + "] not found";
        }
        if (!expected.equals(provider)) {
            return "Integration [id=" + target + "] does not match. Expected provider [provider=" + expected + "]";
        }
        return null;
    }

    IngestDesk ingests() {
        return ingests;
    }

    Exchanges exchanges() {
        return exchanges;
    }

    void event(String name, ObjectNode fields) {
        out.event(name, fields.put("controller", controller));
    }
}
