package federationagent.interop;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.gravitee.exchange.controller.websocket.WebSocketExchangeController;
import io.reactivex.rxjava3.core.Flowable;
import java.lang.reflect.Method;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * Tells when the set of an integration's channels, or which of them is primary, has changed. The controller has metrics
 * but no listener for that, so they are polled here, where a test would otherwise have to.
 */
final class ChannelWatch {

    private static final long PERIOD_MS = 20;

    private final String name;
    private final WebSocketExchangeController controller;
    private final Desk desk;
    private final Lines out;
    private final Method metrics;
    private final Map<String, ArrayNode> last = new HashMap<>();
    private final ScheduledExecutorService ticker = Executors.newSingleThreadScheduledExecutor();

    ChannelWatch(String name, WebSocketExchangeController controller, Desk desk, Lines out) {
        this.name = name;
        this.controller = controller;
        this.desk = desk;
        this.out = out;
        this.metrics = metricsMethod();
        ticker.scheduleWithFixedDelay(this::look, PERIOD_MS, PERIOD_MS, TimeUnit.MILLISECONDS);
    }

    void close() {
        ticker.shutdownNow();
    }

    ObjectNode channels(String target) {
        ObjectNode result = Lines.object();
        result.set("channels", snapshot(target));
        return result;
    }

    private void look() {
        for (String target : desk.targets()) {
            try {
                ArrayNode now = snapshot(target);
                if (now.equals(last.put(target, now))) {
                    continue;
                }
                ObjectNode event = Lines.object().put("controller", name).put("target", target);
                event.set("channels", now);
                out.event("channels", event);
            } catch (RuntimeException e) {
                // A controller that is stopping has no metrics; the next look tells.
                System.err.println("looking at the channels of " + target + ": " + e);
            }
        }
    }

    private ArrayNode snapshot(String target) {
        List<ObjectNode> channels = ((Flowable<?>) call(metrics, controller, target))
            .map(metric -> channel(metric))
            .toList()
            .blockingGet();
        channels.sort(Comparator.comparing(channel -> channel.path("id").asText()));
        ArrayNode array = Lines.object().putArray("channels");
        channels.forEach(array::add);
        return array;
    }

    private static ObjectNode channel(Object metric) {
        return Lines
            .object()
            .put("id", (String) call(accessor(metric, "id"), metric))
            .put("primary", (Boolean) call(accessor(metric, "primary"), metric));
    }

    /** {@code channelsMetricsForTarget} from exchange 1.6 on, {@code channelsMetric} before. */
    private static Method metricsMethod() {
        try {
            return WebSocketExchangeController.class.getMethod("channelsMetricsForTarget", String.class);
        } catch (NoSuchMethodException e) {
            try {
                return WebSocketExchangeController.class.getMethod("channelsMetric", String.class);
            } catch (NoSuchMethodException neither) {
                throw new IllegalStateException(neither);
            }
        }
    }

    private static Method accessor(Object metric, String name) {
        try {
            return metric.getClass().getMethod(name);
        } catch (NoSuchMethodException e) {
            throw new IllegalStateException(e);
        }
    }

    private static Object call(Method method, Object receiver, Object... arguments) {
        try {
            return method.invoke(receiver, arguments);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException(e);
        }
    }
}
