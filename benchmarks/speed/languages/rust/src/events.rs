//! The events of the workloads, made from their numbers: `benchmarks/speed/workloads.py` in Rust.

use serde_json::{json, Value};
use snowplow_tracker::{
    Error, SelfDescribingEvent, SelfDescribingJson, StructuredEvent, Subject, Tracker,
};

const ORDER_SCHEMA: &str = "iglu:com.acme/order_placed/jsonschema/1-0-0";
const PRODUCT_SCHEMA: &str = "iglu:com.acme/product/jsonschema/1-0-0";
const SHOPPER_SCHEMA: &str = "iglu:com.acme/shopper/jsonschema/1-0-0";

const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// Of the subject that belongs to the tracker.
const FIXED_NUMBER: u64 = 0;

/// What is tracked.
#[derive(Clone, Copy, PartialEq)]
pub enum Workload {
    PageView,
    VisitorPageView,
    Structured,
    SelfDescribing1,
    SelfDescribing2,
    Mix,
}

impl Workload {
    /// Returns the workload of this name, if there is one.
    pub fn named(name: &str) -> Option<Workload> {
        match name {
            "page_view" => Some(Workload::PageView),
            "visitor_page_view" => Some(Workload::VisitorPageView),
            "structured" => Some(Workload::Structured),
            "self_describing_1" => Some(Workload::SelfDescribing1),
            "self_describing_2" => Some(Workload::SelfDescribing2),
            "mix" => Some(Workload::Mix),
            _ => None,
        }
    }

    /// Whether some of its events are page views, which this tracker does not have.
    pub fn has_page_views(self) -> bool {
        matches!(
            self,
            Workload::PageView | Workload::VisitorPageView | Workload::Mix
        )
    }

    /// Whether the tracker that plays it has a subject.
    pub fn has_tracker_subject(self) -> bool {
        self == Workload::PageView
    }

    /// Makes the event of this number, and tracks it.
    pub fn track(self, tracker: &mut Tracker, number: u64) -> Result<(), Error> {
        match self.kind(number) {
            Workload::PageView => tracker.track(page_view(number, Subject::default())?, None)?,
            Workload::VisitorPageView => {
                tracker.track(page_view(number, subject(number)?)?, None)?
            }
            Workload::Structured => tracker.track(structured(number)?, None)?,
            Workload::SelfDescribing1 => {
                tracker.track(order_placed(number)?, Some(vec![product(number)]))?
            }
            Workload::SelfDescribing2 | Workload::Mix => {
                let entities = vec![product(number), shopper(number)];
                tracker.track(order_placed(number)?, Some(entities))?
            }
        };
        Ok(())
    }

    fn kind(self, number: u64) -> Workload {
        match (self, number % 10) {
            (Workload::Mix, 0..=5) => Workload::VisitorPageView,
            (Workload::Mix, 6 | 7) => Workload::Structured,
            (Workload::Mix, 8) => Workload::SelfDescribing1,
            (Workload::Mix, _) => Workload::SelfDescribing2,
            (single, _) => single,
        }
    }
}

/// Returns the subject that belongs to the tracker.
pub fn tracker_subject() -> Result<Subject, Error> {
    subject(FIXED_NUMBER)
}

fn subject(number: u64) -> Result<Subject, Error> {
    Subject::builder()
        .user_id(format!("user-{}", number % 10_000))
        .ip_address(format!("203.0.113.{}", number % 250 + 1))
        .user_agent(USER_AGENT)
        .language("en-GB")
        .build()
        .map_err(|e| Error::BuilderError(e.to_string()))
}

/// A structured event that carries the fields of a page view, and this subject.
fn page_view(number: u64, subject: Subject) -> Result<StructuredEvent, Error> {
    StructuredEvent::builder()
        .category(format!(
            "https://shop.example.com/products/{number}?ref=list&page={}",
            number % 50
        ))
        .action(format!("Product {number}"))
        .label(format!(
            "https://shop.example.com/catalogue/{}",
            number % 100
        ))
        .subject(subject)
        .build()
}

fn structured(number: u64) -> Result<StructuredEvent, Error> {
    StructuredEvent::builder()
        .category(format!("department-{}", number % 20))
        .action("add-to-basket")
        .label(format!("sku-{number}"))
        .property(format!("list-{}", number % 7))
        .value((number % 1000) as f64 + 0.5)
        .build()
}

fn order_placed(number: u64) -> Result<SelfDescribingEvent, Error> {
    SelfDescribingEvent::builder()
        .schema(ORDER_SCHEMA)
        .data(order(number))
        .build()
}

fn order(number: u64) -> Value {
    json!({
        "orderId": format!("order-{number}"),
        "customer": format!("customer-{}", number % 10_000),
        "currency": "EUR",
        "total": (number % 500) as f64 + 0.25,
        "express": number % 2 == 0,
        "voucher": null,
        "items": [
            {
                "sku": format!("sku-{number}"),
                "quantity": number % 9 + 1,
                "price": (number % 90) as f64 + 0.5,
            },
            {"sku": format!("sku-{}", number + 1), "quantity": 1, "price": 12.75},
        ],
        "address": {
            "street": format!("Main Street {}", number % 300),
            "city": "Köln",
            "country": "DE",
        },
    })
}

fn product(number: u64) -> SelfDescribingJson {
    SelfDescribingJson::new(
        PRODUCT_SCHEMA,
        json!({
            "sku": format!("sku-{number}"),
            "name": format!("Product {number}"),
            "category": format!("department-{}", number % 20),
            "price": (number % 90) as f64 + 0.5,
            "inStock": number % 3 != 0,
            "tags": ["new", "garden", format!("list-{}", number % 7)],
        }),
    )
}

fn shopper(number: u64) -> SelfDescribingJson {
    SelfDescribingJson::new(
        SHOPPER_SCHEMA,
        json!({
            "customer": format!("customer-{}", number % 10_000),
            "visits": number % 40,
            "segment": format!("segment-{}", number % 12),
            "isMember": number % 4 == 0,
        }),
    )
}
