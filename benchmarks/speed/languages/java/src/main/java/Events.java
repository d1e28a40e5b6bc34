import com.snowplowanalytics.snowplow.tracker.Subject;
import com.snowplowanalytics.snowplow.tracker.configuration.SubjectConfiguration;
import com.snowplowanalytics.snowplow.tracker.events.Event;
import com.snowplowanalytics.snowplow.tracker.events.PageView;
import com.snowplowanalytics.snowplow.tracker.events.SelfDescribing;
import com.snowplowanalytics.snowplow.tracker.events.Structured;
import com.snowplowanalytics.snowplow.tracker.payload.SelfDescribingJson;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The events of the workloads, made from their numbers: benchmarks/speed/workloads.py in Java. */
final class Events {
    private static final String ORDER_SCHEMA = "iglu:com.acme/order_placed/jsonschema/1-0-0";
    private static final String PRODUCT_SCHEMA = "iglu:com.acme/product/jsonschema/1-0-0";
    private static final String SHOPPER_SCHEMA = "iglu:com.acme/shopper/jsonschema/1-0-0";

    private static final String USER_AGENT =
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

    /** Of the subject that belongs to the tracker. */
    private static final long FIXED_NUMBER = 0;

    /** Makes the event of a number. */
    interface Workload {
        Event make(long number);
    }

    private Events() {}

    /** Returns the workload of this name, or null. */
    static Workload named(String name) {
        return switch (name) {
            case "page_view" -> Events::pageView;
            case "visitor_page_view" -> Events::visitorPageView;
            case "structured" -> Events::structured;
            case "self_describing_1" -> Events::selfDescribing1;
            case "self_describing_2" -> Events::selfDescribing2;
            case "mix" -> Events::mix;
            default -> null;
        };
    }

    /** Returns whether the workload of this name wants a tracker that has the subject. */
    static boolean wantsTrackerSubject(String name) {
        return name.equals("page_view");
    }

    /** Returns the subject that belongs to the tracker. */
    static Subject trackerSubject() {
        return subject(FIXED_NUMBER);
    }

    private static Event mix(long number) {
        return switch ((int) (number % 10)) {
            case 0, 1, 2, 3, 4, 5 -> visitorPageView(number);
            case 6, 7 -> structured(number);
            case 8 -> selfDescribing1(number);
            default -> selfDescribing2(number);
        };
    }

    private static Event pageView(long number) {
        return viewed(number).build();
    }

    private static Event visitorPageView(long number) {
        return viewed(number).subject(subject(number)).build();
    }

    private static Subject subject(long number) {
        return new Subject(new SubjectConfiguration()
                .userId("user-" + number % 10_000)
                .ipAddress("203.0.113." + (number % 250 + 1))
                .useragent(USER_AGENT)
                .language("en-GB")
                .timezone(null)); // else it is the server's
    }

    private static PageView.Builder<?> viewed(long number) {
        return PageView.builder()
                .pageUrl("https://shop.example.com/products/" + number + "?ref=list&page=" + number % 50)
                .pageTitle("Product " + number)
                .referrer("https://shop.example.com/catalogue/" + number % 100);
    }

    private static Event structured(long number) {
        return Structured.builder()
                .category("department-" + number % 20)
                .action("add-to-basket")
                .label("sku-" + number)
                .property("list-" + number % 7)
                .value(number % 1000 + 0.5)
                .build();
    }

    private static Event selfDescribing1(long number) {
        return SelfDescribing.builder()
                .eventData(order(number))
                .customContext(List.of(product(number)))
                .build();
    }

    private static Event selfDescribing2(long number) {
        return SelfDescribing.builder()
                .eventData(order(number))
                .customContext(List.of(product(number), shopper(number)))
                .build();
    }

    private static SelfDescribingJson order(long number) {
        Map<String, Object> address = new LinkedHashMap<>();
        address.put("street", "Main Street " + number % 300);
        address.put("city", "Köln");
        address.put("country", "DE");
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("orderId", "order-" + number);
        data.put("customer", "customer-" + number % 10_000);
        data.put("currency", "EUR");
        data.put("total", number % 500 + 0.25);
        data.put("express", number % 2 == 0);
        data.put("voucher", null);
        data.put("items", List.of(
                item("sku-" + number, number % 9 + 1, number % 90 + 0.5),
                item("sku-" + (number + 1), 1, 12.75)));
        data.put("address", address);
        return new SelfDescribingJson(ORDER_SCHEMA, data);
    }

    private static Map<String, Object> item(String sku, long quantity, double price) {
        Map<String, Object> item = new LinkedHashMap<>();
        item.put("sku", sku);
        item.put("quantity", quantity);
        item.put("price", price);
        return item;
    }

    private static SelfDescribingJson product(long number) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("sku", "sku-" + number);
        data.put("name", "Product " + number);
        data.put("category", "department-" + number % 20);
        data.put("price", number % 90 + 0.5);
        data.put("inStock", number % 3 != 0);
        data.put("tags", List.of("new", "garden", "list-" + number % 7));
        return new SelfDescribingJson(PRODUCT_SCHEMA, data);
    }

    private static SelfDescribingJson shopper(long number) {
        Map<String, Object> data = new LinkedHashMap<>();
        data.put("customer", "customer-" + number % 10_000);
        data.put("visits", number % 40);
        data.put("segment", "segment-" + number % 12);
        data.put("isMember", number % 4 == 0);
        return new SelfDescribingJson(SHOPPER_SCHEMA, data);
    }
}
