package federationagent.interop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * Runs published Gravitee exchange controllers and lets another program drive them by JSON lines.
 *
 * <p>Each line on stdin is a request with a number, {@code "seq"}; each gets exactly one line on stdout with the same
 * number, {@code {"event":"answer","seq":…}} with either {@code "result"} or {@code "error"}. What happens on a
 * controller between requests is told by lines of other events. The end of stdin ends the process.
 */
public final class Harness {

    private final Lines out;
    private final Frames frames = new Frames();
    private final Map<String, RunningController> controllers = new ConcurrentHashMap<>();

    private Harness(Lines out) {
        this.out = out;
    }

    public static void main(String[] args) throws Exception {
        System.setProperty("vertx.logger-delegate-factory-class-name", "io.vertx.core.logging.SLF4JLogDelegateFactory");
        Lines out = new Lines(System.out);
        // A library that prints must not break the protocol.
        System.setOut(System.err);
        Harness harness = new Harness(out);
        out.event("started", Lines.object().put("java", System.getProperty("java.version")));
        harness.serve();
        // The controllers' threads are not daemons, and whoever drove us is gone: nobody waits for a farewell.
        Runtime.getRuntime().halt(0);
    }

    private void serve() throws Exception {
        // A request may take as long as a command's reply, and others must be served meanwhile.
        ExecutorService workers = Executors.newCachedThreadPool();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            JsonNode request = Lines.parse(line);
            workers.execute(() -> answer(request));
        }
    }

    private void answer(JsonNode request) {
        long seq = request.path("seq").asLong();
        try {
            out.answer(seq, perform(request));
        } catch (Throwable failure) {
            out.failure(seq, failure);
        }
    }

    private JsonNode perform(JsonNode request) throws Exception {
        String op = request.path("op").asText();
        switch (op) {
            case "start":
                return start(request);
            case "write":
                return frames.write(request.path("direction").asText(), request.path("exchange"));
            case "read":
                return frames.read(request.path("frame").binaryValue());
            default:
                return onController(op, request);
        }
    }

    private JsonNode start(JsonNode request) throws Exception {
        String name = request.path("controller").asText();
        if (controllers.containsKey(name)) {
            throw new IllegalArgumentException("controller " + name + " is running already");
        }
        RunningController controller = new RunningController(name, out);
        controller.desk().restore(request);
        RunningController beside = controllers.get(request.path("beside").asText());
        int port = controller.start(request.path("port").asInt(), request.path("settings"), beside);
        controllers.put(name, controller);
        return Lines.object().put("port", port);
    }

    private JsonNode onController(String op, JsonNode request) throws Exception {
        String name = request.path("controller").asText();
        RunningController controller = controllers.get(name);
        if (controller == null) {
            throw new IllegalArgumentException("no controller " + name + " is running");
        }
        ObjectNode done = Lines.object();
        switch (op) {
            case "stop":
                controllers.remove(name);
                controller.stop();
                return done;
            case "drop":
                controllers.remove(name);
                controller.drop();
                return done;
            case "token":
                controller.desk().token(request.path("token").asText(), request.path("valid").asBoolean());
                return done;
            case "break_authentication":
                controller.desk().breakAuthentication(request.path("broken").asBoolean());
                return done;
            case "integration":
                controller.desk().integration(request.path("target").asText(), request.path("provider").asText(null));
                return done;
            case "ingest_rules":
                controller.desk().ingests().rules(request.path("rules"));
                return done;
            case "release":
                controller.desk().ingests().release(request.path("commandId").asText(), request.path("error").asText(null));
                return done;
            case "ingest":
                return controller.desk().ingests().whole(request.path("commandId").asText());
            case "channels":
                return controller.channels(request.path("target").asText());
            case "send":
                return controller.send(request);
            default:
                throw new IllegalArgumentException("unknown op " + op);
        }
    }
}
