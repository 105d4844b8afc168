package federationagent.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gravitee.exchange.api.command.Exchange;
import io.gravitee.exchange.api.websocket.protocol.ProtocolExchange;
import io.gravitee.exchange.api.websocket.protocol.ProtocolVersion;
import io.gravitee.exchange.api.websocket.protocol.v1.V1ProtocolAdapter;
import io.vertx.rxjava3.core.buffer.Buffer;

/** Frames as the version's own v1 adapter and serialisers write and read them, without a socket. */
final class Frames {

    private final Exchanges exchanges = new Exchanges();
    private final V1ProtocolAdapter adapter = new V1ProtocolAdapter(exchanges.serDe());

    ObjectNode write(String direction, JsonNode json) {
        ProtocolExchange.Type type = ProtocolExchange.Type.valueOf(direction);
        Exchange<?> exchange = type == ProtocolExchange.Type.COMMAND ? exchanges.command(json) : exchanges.reply(json);
        ProtocolExchange frame = ProtocolExchange.builder().type(type).exchangeType(exchange.getType()).exchange(exchange).build();
        return Lines.object().put("frame", adapter.write(frame).getBytes());
    }

    /** What the version understood of a frame, written out again by itself. */
    ObjectNode read(byte[] frame) throws JsonProcessingException {
        ProtocolExchange read = adapter.read(Buffer.buffer(frame));
        ObjectNode understood = Lines.object().put("direction", read.type().name()).put("type", read.exchangeType());
        if (read.exchange() != null) {
            understood.put("class", read.exchange().getClass().getSimpleName());
            understood.set("exchange", Lines.parse(exchanges.serDe().serialize(ProtocolVersion.V1, read.exchange())));
        }
        return understood;
    }
}
