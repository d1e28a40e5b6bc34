import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import okhttp3.OkHttp;

/**
 * The Snowplow tracker for Java as a contender: speaks the protocol of benchmarks/speed/protocol.py.
 *
 * <p>What this tracker cannot do, and what is done about it:
 *
 * <ul>
 *   <li>It drops events when its buffer is full: the producers wait before that.
 *   <li>Every event that finds a full batch in the buffer has a thread of the pool look for it, also when
 *       an earlier event has done so already; most of them in vain.
 *   <li>Its flushBuffer() puts all that is in the buffer into one request: it is called once less than a
 *       batch is left. Delivery is known from the callbacks.
 *   <li>OkHttp, its default client, lets small segments wait for acknowledgements (Nagle's algorithm), and
 *       keeps five idle connections for the fifty threads. Small batches take wall time for that, hardly any
 *       processor time; it is left so, as the documentation of the tracker leaves it. The Apache client, its
 *       other choice, opened a connection for every request, and took more processor time.
 *   <li>A subject always has a time zone, unless it is taken away.
 * </ul>
 *
 * <p>The processor time that the virtual machine tells has steps of 10 ms.
 */
public final class Contender {
    private static final ObjectMapper JSON = new ObjectMapper();

    private static final OperatingSystemMXBean SYSTEM =
            (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    private Line line;

    private Contender() {}

    private static final class Unavailable extends Exception {
        Unavailable(String why) {
            super(why);
        }
    }

    public static void main(String[] arguments) throws IOException {
        PrintStream replies = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        System.setOut(System.err); // what a library prints is no reply
        BufferedReader commands =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        Contender contender = new Contender();
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            replies.println(contender.answer(JSON.readTree(command)));
        }
        System.exit(0); // the threads of a tracker would hold it
    }

    private ObjectNode answer(JsonNode command) {
        ObjectNode reply = JSON.createObjectNode().put("ok", true);
        String name = command.path("do").asText();
        try {
            switch (name) {
                case "hello" -> hello(reply);
                case "round" -> round(command, reply);
                default -> throw new Unavailable("there is no command " + name + " here");
            }
            return reply;
        } catch (Unavailable reason) {
            return JSON.createObjectNode().put("ok", false).put("unavailable", reason.getMessage());
        } catch (Exception error) {
            String text = error.toString().replace('\n', ' ');
            return JSON.createObjectNode().put("ok", false).put("error", text);
        }
    }

    private static void hello(ObjectNode reply) throws IOException {
        Properties versions = new Properties();
        try (InputStream file = Contender.class.getResourceAsStream("/versions.properties")) {
            versions.load(file);
        }
        reply.put("name", "snowplow-java-tracker");
        reply.put("version", versions.getProperty("tracker"));
        reply.put("runtime", System.getProperty("java.vm.name") + " " + System.getProperty("java.vm.version"));
        reply.putObject("versions").put("okhttp", OkHttp.VERSION);
    }

    private void round(JsonNode command, ObjectNode reply) throws Exception {
        String name = command.path("workload").asText();
        Events.Workload workload = Events.named(name);
        if (workload == null) {
            throw new Unavailable("there is no workload " + name + " here");
        }
        long first = command.required("first").asLong();
        long end = first + command.required("events").asLong();
        int producers = command.path("producers").asInt(1);
        String collector = command.required("collector").asText();
        open(collector, command.required("settings"), Events.wantsTrackerSubject(name));

        long began = System.nanoTime();
        long cpuBegan = SYSTEM.getProcessCpuTime();
        long deadline = began + (long) (command.path("timeout").asDouble(120) * 1e9);
        boolean done = produce(workload, first, end, producers, deadline) && line.settle(deadline);
        long cpu = SYSTEM.getProcessCpuTime() - cpuBegan;
        long wall = System.nanoTime() - began;

        reply.put("wall_seconds", wall / 1e9);
        reply.put("cpu_seconds", cpu / 1e9);
        reply.put("offered", line.offered());
        reply.put("refused", line.refused());
        if (!done) {
            close(); // what it still holds belongs to no other round
        }
    }

    private boolean produce(Events.Workload workload, long first, long end, int producers, long deadline)
            throws Exception {
        if (producers == 1) {
            return line.produce(workload, first, end, 1, deadline);
        }
        List<Callable<Boolean>> shares = new ArrayList<>();
        for (int producer = 0; producer < producers; producer++) {
            long own = first + producer;
            shares.add(() -> line.produce(workload, own, end, producers, deadline));
        }
        ExecutorService threads = Executors.newFixedThreadPool(producers);
        try {
            boolean done = true;
            for (Future<Boolean> share : threads.invokeAll(shares)) {
                done &= share.get();
            }
            return done;
        } finally {
            threads.shutdown();
        }
    }

    private void open(String collector, JsonNode settings, boolean hasSubject) {
        if (line != null && !line.is(collector, settings, hasSubject)) {
            close();
        }
        if (line == null) {
            line = new Line(collector, settings, hasSubject);
        }
        line.reset();
    }

    private void close() {
        line.close();
        line = null;
    }
}
