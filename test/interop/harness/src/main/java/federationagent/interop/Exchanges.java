package federationagent.interop;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.Reply;
import io.gravitee.exchange.api.command.unknown.UnknownCommand;
import io.gravitee.exchange.api.command.unknown.UnknownReply;
import io.gravitee.exchange.api.websocket.command.ExchangeSerDe;
import io.gravitee.exchange.api.websocket.protocol.ProtocolVersion;
import io.gravitee.integration.api.websocket.command.IntegrationExchangeSerDe;

/**
 * The version's own commands and replies, made from JSON by its own reader. Their Java classes changed names and
 * shapes between versions while the reader kept its one method, so one source serves all of them.
 */
final class Exchanges {

    private static final String UNKNOWN = UnknownCommand.COMMAND_TYPE;

    private final ExchangeSerDe serDe;

    Exchanges() {
        // The mapper as APIM sets it up.
        ObjectMapper mapper = new ObjectMapper()
            .registerModule(new JavaTimeModule())
            .configure(DeserializationFeature.FAIL_ON_IGNORED_PROPERTIES, false)
            .setSerializationInclusion(JsonInclude.Include.NON_NULL);
        this.serDe = new IntegrationExchangeSerDe(mapper);
    }

    ExchangeSerDe serDe() {
        return serDe;
    }

    Command<?> command(JsonNode json) {
        String type = json.path("type").asText();
        Command<?> command = serDe.deserializeAsCommand(ProtocolVersion.V1, type, json.toString());
        if (command instanceof UnknownCommand && !UNKNOWN.equals(type)) {
            throw new NotInThisDialect("command type " + type);
        }
        return command;
    }

    Reply<?> reply(JsonNode json) {
        String type = json.path("type").asText();
        Reply<?> reply = serDe.deserializeAsReply(ProtocolVersion.V1, type, json.toString());
        if (reply instanceof UnknownReply && !UNKNOWN.equals(type)) {
            throw new NotInThisDialect("reply type " + type);
        }
        return reply;
    }

    boolean knowsCommand(String type) {
        try {
            command(Lines.object().put("type", type));
            return true;
        } catch (NotInThisDialect e) {
            return false;
        }
    }

    /** What was asked for does not exist in the version that this harness was built against. */
    static final class NotInThisDialect extends RuntimeException {

        NotInThisDialect(String what) {
            super(what);
        }
    }
}
