import com.fasterxml.jackson.databind.JsonNode;
import com.snowplowanalytics.snowplow.tracker.Tracker;
import com.snowplowanalytics.snowplow.tracker.configuration.EmitterConfiguration;
import com.snowplowanalytics.snowplow.tracker.configuration.NetworkConfiguration;
import com.snowplowanalytics.snowplow.tracker.configuration.TrackerConfiguration;
import com.snowplowanalytics.snowplow.tracker.emitter.BatchEmitter;
import com.snowplowanalytics.snowplow.tracker.emitter.EmitterCallback;
import com.snowplowanalytics.snowplow.tracker.emitter.FailureType;
import com.snowplowanalytics.snowplow.tracker.payload.TrackerPayload;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A tracker with certain settings, with or without a subject, and what has become of its events. */
final class Line implements EmitterCallback {
    private static final String NAMESPACE = "bench";
    private static final String APP_ID = "speed";

    /** The tracker's own bufferCapacity. */
    private static final int CAPACITY = 10_000;

    private static final long STANDSTILL_SECONDS = 1;

    private final String collector;
    private final JsonNode settings;
    private final boolean hasSubject;
    private final int batchSize;
    private final Tracker tracker;

    /** One permit for each event that the tracker has room for; taken back when it is answered. */
    private final Semaphore room = new Semaphore(CAPACITY);

    private final AtomicInteger offered = new AtomicInteger();
    private final AtomicInteger refused = new AtomicInteger();

    Line(String collector, JsonNode settings, boolean hasSubject) {
        this.collector = collector;
        this.settings = settings;
        this.hasSubject = hasSubject;
        EmitterConfiguration emitting = new EmitterConfiguration().callback(this);
        if (settings.has("batch_size")) {
            emitting.batchSize(settings.get("batch_size").asInt());
        }
        batchSize = emitting.getBatchSize();
        TrackerConfiguration tracking = new TrackerConfiguration(NAMESPACE, APP_ID);
        if (settings.has("base64")) {
            tracking.base64Encoded(settings.get("base64").asBoolean());
        }
        BatchEmitter emitter = new BatchEmitter(new NetworkConfiguration(collector), emitting);
        tracker = new Tracker(tracking, emitter, hasSubject ? Events.trackerSubject() : null);
    }

    /** Returns whether it can play a round that wants this of its tracker. */
    boolean is(String collector, JsonNode settings, boolean hasSubject) {
        return this.collector.equals(collector)
                && this.settings.equals(settings)
                && this.hasSubject == hasSubject;
    }

    /** Forgets the last round. */
    void reset() {
        offered.set(0);
        refused.set(0);
    }

    int offered() {
        return offered.get();
    }

    int refused() {
        return refused.get();
    }

    /** Makes and tracks the events of these numbers; false if that takes too long. */
    boolean produce(Events.Workload workload, long first, long end, int step, long deadline)
            throws InterruptedException {
        for (long number = first; number < end; number += step) {
            if (!room.tryAcquire() && !acquire(1, deadline)) {
                return false;
            }
            tracker.track(workload.make(number));
            offered.incrementAndGet();
        }
        return true;
    }

    /** Waits until all events are answered; false if that takes too long. */
    boolean settle(long deadline) throws InterruptedException {
        // The tracker sends full batches by itself, and would flush all that it has in one request.
        int fullBatches = CAPACITY - Math.min(batchSize, CAPACITY) + 1;
        if (!acquire(fullBatches, deadline)) {
            return false;
        }
        room.release(fullBatches);
        tracker.getEmitter().flushBuffer();
        if (!acquire(CAPACITY, deadline)) {
            return false;
        }
        room.release(CAPACITY);
        return true;
    }

    private boolean acquire(int events, long deadline) throws InterruptedException {
        int before = room.availablePermits();
        while (!room.tryAcquire(events, STANDSTILL_SECONDS, TimeUnit.SECONDS)) {
            if (System.nanoTime() - deadline > 0) {
                return false;
            }
            int now = room.availablePermits();
            if (now == before) {
                tracker.getEmitter().flushBuffer(); // only a new event would have a failed batch sent again
            }
            before = now;
        }
        return true;
    }

    /** Stops the threads of the tracker. */
    void close() {
        tracker.close();
    }

    @Override
    public void onSuccess(List<TrackerPayload> payloads) {
        room.release(payloads.size());
    }

    @Override
    public void onFailure(FailureType type, boolean willRetry, List<TrackerPayload> payloads) {
        if (!willRetry) {
            refused.addAndGet(payloads.size());
            room.release(payloads.size());
        }
    }
}
