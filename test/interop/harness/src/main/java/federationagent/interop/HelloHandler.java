package federationagent.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.CommandHandler;
import io.gravitee.exchange.api.command.hello.HelloCommand;
import io.gravitee.exchange.api.command.hello.HelloReply;
import io.gravitee.exchange.api.command.hello.HelloReplyPayload;
import io.gravitee.exchange.api.websocket.protocol.ProtocolVersion;
import io.reactivex.rxjava3.core.Single;

/** Answers HELLO as APIM does: accepted where the integration exists and is of that provider. */
final class HelloHandler implements CommandHandler<Command<?>, HelloReply> {

    private final int connection;
    private final Desk desk;

    HelloHandler(int connection, Desk desk) {
        this.connection = connection;
        this.desk = desk;
    }

    @Override
    public String supportType() {
        return HelloCommand.COMMAND_TYPE;
    }

    @Override
    public Single<HelloReply> handle(Command<?> command) {
        return Single.fromCallable(() -> {
            JsonNode payload = Lines.parse(desk.exchanges().serDe().serialize(ProtocolVersion.V1, command)).path("payload");
            String target = payload.path("targetId").asText(null);
            String provider = payload.path("provider").asText(null);
            String refusal = desk.refusal(target, provider);
            ObjectNode event = Lines.object().put("connection", connection).put("accepted", refusal == null);
            event.put("target", target).put("provider", provider);
            desk.event("hello", event);
            return refusal == null
                ? new HelloReply(command.getId(), new HelloReplyPayload(target))
                : new HelloReply(command.getId(), refusal);
        });
    }
}
