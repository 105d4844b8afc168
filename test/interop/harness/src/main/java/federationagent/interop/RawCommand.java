package federationagent.interop;

import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.databind.JsonNode;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.Payload;

/** A command of any type with any payload: what a later APIM may send and no version knows today. */
final class RawCommand extends Command<RawCommand.RawPayload> {

    RawCommand(String type, JsonNode payload) {
        super(type);
        this.payload = new RawPayload(payload);
    }

    record RawPayload(@JsonValue JsonNode json) implements Payload {}
}
