package federationagent.load;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.datatype.jsr310.JavaTimeModule;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.CommandAdapter;
import io.gravitee.exchange.api.command.hello.HelloCommand;
import io.gravitee.exchange.api.command.hello.HelloReply;
import io.gravitee.exchange.api.configuration.IdentifyConfiguration;
import io.gravitee.exchange.api.websocket.protocol.ProtocolVersion;
import io.gravitee.exchange.connector.core.DefaultExchangeConnectorManager;
import io.gravitee.exchange.connector.websocket.WebSocketExchangeConnector;
import io.gravitee.exchange.connector.websocket.client.WebSocketClientConfiguration;
import io.gravitee.exchange.connector.websocket.client.WebSocketConnectorClientFactory;
import io.gravitee.integration.api.websocket.command.IntegrationExchangeSerDe;
import io.reactivex.rxjava3.core.Single;
import io.vertx.rxjava3.core.Vertx;
import java.util.List;
import java.util.Map;
import org.springframework.core.env.AbstractEnvironment;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.MutablePropertySources;

/**
 * The vendor's websocket connector alone: connects, greets, and stays. It has no AWS side and no Spring application
 * around it, so what is measured of it is less than any agent built on it needs.
 *
 * <p>Arguments: the endpoint and the integration's id.
 */
public final class Connector {

    private static final String PROVIDER = "aws-api-gateway";

    private Connector() {}

    public static void main(String[] args) throws Exception {
        System.setProperty("vertx.logger-delegate-factory-class-name", "io.vertx.core.logging.SLF4JLogDelegateFactory");
        Vertx vertx = Vertx.vertx();
        IdentifyConfiguration configuration = new IdentifyConfiguration(
            new FixedEnvironment(Map.of("integration.connector.ws.endpoints[0]", args[0])),
            "integration"
        );
        ObjectMapper mapper = new ObjectMapper()
            .registerModule(new JavaTimeModule())
            .configure(DeserializationFeature.FAIL_ON_IGNORED_PROPERTIES, false)
            .setSerializationInclusion(JsonInclude.Include.NON_NULL);
        WebSocketExchangeConnector connector = new WebSocketExchangeConnector(
            ProtocolVersion.V1,
            List.of(),
            List.of(new Greeting(args[1])),
            List.of(),
            vertx,
            new WebSocketConnectorClientFactory(vertx, new WebSocketClientConfiguration(configuration)),
            new IntegrationExchangeSerDe(mapper)
        );
        new DefaultExchangeConnectorManager().register(connector).blockingAwait();
        Thread.currentThread().join();
    }

    /** HELLO as an integration's agent says it: with the integration's id and its kind. */
    private record Greeting(String target)
        implements CommandAdapter<HelloCommand, io.gravitee.integration.api.command.hello.HelloCommand, HelloReply> {
        @Override
        public String supportType() {
            return HelloCommand.COMMAND_TYPE;
        }

        @Override
        public Single<io.gravitee.integration.api.command.hello.HelloCommand> adapt(String id, HelloCommand command) {
            return Single.just(new io.gravitee.integration.api.command.hello.HelloCommand(command.getId(), target, PROVIDER));
        }

        @Override
        public Single<HelloReply> onError(Command<?> command, Throwable failure) {
            return Single.just(new HelloReply(command.getId(), failure.getMessage()));
        }
    }

    /** Nothing but the given properties: this machine's environment variables must not set the connector up. */
    private static final class FixedEnvironment extends AbstractEnvironment {

        FixedEnvironment(Map<String, Object> properties) {
            getPropertySources().addFirst(new MapPropertySource("connector", properties));
        }

        @Override
        protected void customizePropertySources(MutablePropertySources sources) {
            // None by default.
        }
    }
}
