package federationagent.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gravitee.exchange.api.command.Command;
import io.gravitee.exchange.api.command.Reply;
import io.gravitee.exchange.api.configuration.IdentifyConfiguration;
import io.gravitee.exchange.api.websocket.protocol.ProtocolVersion;
import io.gravitee.exchange.controller.websocket.WebSocketExchangeController;
import io.gravitee.node.api.certificate.KeyStoreLoaderOptions;
import io.gravitee.node.api.certificate.TrustStoreLoaderOptions;
import io.gravitee.node.certificates.DefaultKeyStoreLoaderFactoryRegistry;
import io.gravitee.node.certificates.file.FileKeyStoreLoaderFactory;
import io.gravitee.node.certificates.file.FileTrustStoreLoaderFactory;
import io.gravitee.node.plugin.cache.standalone.StandaloneCacheManager;
import io.gravitee.node.plugin.cluster.standalone.StandaloneClusterManager;
import io.vertx.core.VertxOptions;
import io.vertx.rxjava3.core.Vertx;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.HashMap;
import java.util.Map;
import java.util.UUID;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import org.springframework.core.env.AbstractEnvironment;
import org.springframework.core.env.MapPropertySource;
import org.springframework.core.env.MutablePropertySources;

/**
 * One controller as APIM puts it together, with APIM's own side played by a {@link Desk}. Each has a Vert.x of its own:
 * controllers that share one would share the event bus, and with it each other's commands.
 */
final class RunningController {

    private static final String LOOPBACK = "127.0.0.1";

    private static final int FIRST_PORT = 20_000;

    /** From here on Linux hands out ports by itself ({@code ip_local_port_range}); others begin higher. */
    private static final int FIRST_EPHEMERAL_PORT = 32_768;

    private static final int PORT_ATTEMPTS = 100;

    /** The controller deploys its server without telling when it is done; an idle machine needs a tenth of a second. */
    private static final long LISTENING_DEADLINE_MS = 20_000;

    private static final long POLL_MS = 10;

    private final String name;
    private final Lines out;
    private final Exchanges exchanges = new Exchanges();
    private final Desk desk;
    private Vertx vertx;
    private StandaloneClusterManager cluster;
    private StandaloneCacheManager cache;
    private WebSocketExchangeController controller;
    private ChannelWatch watch;

    RunningController(String name, Lines out) {
        this.name = name;
        this.out = out;
        this.desk = new Desk(name, out, exchanges);
    }

    Desk desk() {
        return desk;
    }

    /**
     * Starts on a port of loopback, a free one where none is named, and returns the port once it takes connections.
     *
     * @param beside the controller of another node of the same APIM, whose cluster and cache are shared; null for a node alone
     */
    int start(int wantedPort, JsonNode settings, RunningController beside) throws Exception {
        int port = wantedPort == 0 ? freePort() : wantedPort;
        vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(2).setInternalBlockingPoolSize(2));
        if (beside == null) {
            cluster = new StandaloneClusterManager(vertx.getDelegate());
            cluster.start();
            cache = new StandaloneCacheManager();
            cache.start();
        } else {
            cluster = beside.cluster;
            cache = beside.cache;
        }
        DefaultKeyStoreLoaderFactoryRegistry<KeyStoreLoaderOptions> keyStores = new DefaultKeyStoreLoaderFactoryRegistry<>();
        keyStores.registerFactory(new FileKeyStoreLoaderFactory());
        DefaultKeyStoreLoaderFactoryRegistry<TrustStoreLoaderOptions> trustStores = new DefaultKeyStoreLoaderFactoryRegistry<>();
        trustStores.registerFactory(new FileTrustStoreLoaderFactory());
        controller =
            new WebSocketExchangeController(
                configuration(port, settings),
                cluster,
                cache,
                vertx,
                keyStores,
                trustStores,
                desk,
                desk,
                exchanges.serDe()
            );
        controller.start();
        awaitListening(port);
        watch = new ChannelWatch(name, controller, desk, out);
        return port;
    }

    /** Stops as APIM does when it shuts down: every agent is told GOOD_BYE with reconnect, then the server goes. */
    void stop() throws Exception {
        watch.close();
        controller.stop();
        vertx.close().blockingAwait();
    }

    /** Goes without a word, as far as a living process can: sockets are closed, nobody is told GOOD_BYE. */
    void drop() {
        watch.close();
        vertx.close().blockingAwait();
    }

    JsonNode channels(String target) {
        return watch.channels(target);
    }

    /** Sends a command as APIM does and waits for what becomes of it. */
    JsonNode send(JsonNode request) throws Exception {
        Command<?> command = command(request);
        if (request.has("timeoutMs")) {
            command.setReplyTimeoutMs(request.path("timeoutMs").asInt());
        }
        ObjectNode outcome = Lines.object().put("commandId", command.getId());
        try {
            Reply<?> reply = controller.sendCommand(command, request.path("target").asText()).blockingGet();
            outcome.set("reply", Lines.parse(exchanges.serDe().serialize(ProtocolVersion.V1, reply)));
        } catch (RuntimeException failure) {
            // What APIM would see: a time-out, a NO_REPLY, an UNKNOWN, a channel that went. An outcome, not a fault of ours.
            outcome.set("failure", Failures.describe(failure));
        }
        return outcome;
    }

    private Command<?> command(JsonNode request) {
        String type = request.path("type").asText();
        if (request.path("raw").asBoolean()) {
            return new RawCommand(type, request.path("payload"));
        }
        ObjectNode json = Lines.object().put("id", UUID.randomUUID().toString()).put("type", type);
        json.set("payload", request.path("payload"));
        return exchanges.command(json);
    }

    private static IdentifyConfiguration configuration(int port, JsonNode settings) {
        Map<String, Object> properties = new HashMap<>();
        properties.put("integration.controller.ws.host", LOOPBACK);
        properties.put("integration.controller.ws.port", port);
        properties.put("integration.controller.ws.instances", 1);
        settings.fields().forEachRemaining(s -> properties.put("integration." + s.getKey(), s.getValue().asText()));
        return new IdentifyConfiguration(new FixedEnvironment(properties), "integration");
    }

    /** Nothing but the given properties: this machine's environment variables must not set up a controller. */
    private static final class FixedEnvironment extends AbstractEnvironment {

        FixedEnvironment(Map<String, Object> properties) {
            getPropertySources().addFirst(new MapPropertySource("harness", properties));
        }

        @Override
        protected void customizePropertySources(MutablePropertySources sources) {
            // None by default.
        }
    }

    /**
     * The controller cannot be told to take any port, so one is looked for before it binds. Not one that the kernel would
     * hand out: those go at any moment to whatever else runs, and an agent would then speak to that.
     */
    private static int freePort() throws IOException {
        IOException taken = null;
        for (int attempt = 0; attempt < PORT_ATTEMPTS; attempt++) {
            int port = ThreadLocalRandom.current().nextInt(FIRST_PORT, FIRST_EPHEMERAL_PORT);
            try (ServerSocket socket = new ServerSocket(port, 1, InetAddress.getByName(LOOPBACK))) {
                return socket.getLocalPort();
            } catch (IOException e) {
                taken = e;
            }
        }
        throw new IOException("no free port in " + PORT_ATTEMPTS + " attempts", taken);
    }

    private static void awaitListening(int port) throws Exception {
        long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LISTENING_DEADLINE_MS);
        while (true) {
            try (Socket socket = new Socket()) {
                socket.connect(new InetSocketAddress(LOOPBACK, port), (int) LISTENING_DEADLINE_MS);
                return;
            } catch (IOException e) {
                if (System.nanoTime() > deadline) {
                    throw new IllegalStateException("the controller does not listen on port " + port + "; its log says why", e);
                }
                Thread.sleep(POLL_MS);
            }
        }
    }
}
