package federationagent.interop;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;

/** Writes the protocol's lines, one at a time whatever thread they come from. */
final class Lines {

    /** Of the protocol alone: the controllers' serialisers have mappers of their own. */
    private static final ObjectMapper JSON = new ObjectMapper();

    private final PrintStream out;

    Lines(PrintStream out) {
        this.out = out;
    }

    static ObjectNode object() {
        return JSON.createObjectNode();
    }

    static JsonNode parse(String text) throws JsonProcessingException {
        return JSON.readTree(text);
    }

    void event(String name, ObjectNode fields) {
        fields.put("event", name);
        write(fields);
    }

    void answer(long seq, JsonNode result) {
        ObjectNode line = object().put("event", "answer").put("seq", seq);
        line.set("result", result);
        write(line);
    }

    void failure(long seq, Throwable failure) {
        ObjectNode line = object().put("event", "answer").put("seq", seq);
        line.set("error", Failures.describe(failure));
        write(line);
    }

    private void write(ObjectNode line) {
        byte[] bytes = (line + "\n").getBytes(StandardCharsets.UTF_8);
        synchronized (out) {
            out.write(bytes, 0, bytes.length);
            out.flush();
        }
    }
}
