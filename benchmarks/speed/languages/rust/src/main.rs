//! The Snowplow tracker for Rust as a contender: speaks the protocol of `benchmarks/speed/protocol.py`.
//!
//! What this tracker cannot do, and what is done about it:
//!
//! - It has no page view: a structured event carries the fields and the subject of one.
//! - It adds the tracker's subject only to events that have one of their own: where the tracker has the
//!   subject, every event has an empty one.
//! - It sends `p` as pc, and no `tna`; both are out of reach.
//! - It never says what was delivered, and a tracker cannot leave its thread. So its own HTTP client is
//!   wrapped in one that counts answers, and all producers take their turns in one thread.
//! - It starts a request for every full batch at once, however many are under way, and drops batches when
//!   its channel is full. The producer waits while `MAX_REQUESTS` batches are on their way.
//! - It allocates and frees a great deal, from thread to thread: with mimalloc that takes a quarter to a
//!   third less processor time than with the allocator of the GNU C library, so it has mimalloc.

mod delivery;
mod events;

use std::io::{self, BufRead, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mimalloc::MiMalloc;
use serde_json::{json, Value};
use snowplow_tracker::{BatchEmitter, InMemoryEventStore, Tracker};

use delivery::{CountingClient, Ledger};
use events::{tracker_subject, Workload};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const APP_ID: &str = "speed";
const NAMESPACE: &str = "bench";

/// The tracker's own defaults, to be named only because its store takes both or none.
const DEFAULT_BATCH_SIZE: usize = 50;
const STORE_CAPACITY: usize = 10_000;

/// Of 2 to 200, the number that took the least processor time; each is a task and a connection.
const MAX_REQUESTS: usize = 4;

const LOCK_FILE: &str = include_str!("../Cargo.lock");

/// What a command is answered with when it is not done.
enum Refusal {
    Unavailable(String),
    Failed(String),
}

/// A tracker, kept for later rounds that want the same.
struct Kept {
    collector: String,
    batch_size: usize,
    has_subject: bool,
    tracker: Tracker,
    ledger: Arc<Ledger>,
}

impl Kept {
    fn open(collector: &str, batch_size: usize, has_subject: bool) -> Result<Kept, Refusal> {
        let ledger = Arc::new(Ledger::default());
        let subject = match has_subject {
            true => Some(tracker_subject().map_err(|e| Refusal::Failed(e.to_string()))?),
            false => None,
        };
        let emitter = BatchEmitter::builder()
            .collector_url(collector)
            .event_store(InMemoryEventStore::new(STORE_CAPACITY, batch_size))
            .http_client(CountingClient::new(collector, Arc::clone(&ledger)))
            .build()
            .map_err(|e| Refusal::Failed(e.to_string()))?;
        Ok(Kept {
            collector: collector.to_string(),
            batch_size,
            has_subject,
            tracker: Tracker::new(NAMESPACE, APP_ID, emitter, subject),
            ledger,
        })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let _ = self.tracker.close_emitter(); // or its thread is waited for in vain
    }
}

fn main() {
    let mut kept: Option<Kept> = None;
    let mut replies = io::stdout();
    for line in io::stdin().lock().lines() {
        let answer = line
            .map_err(|e| Refusal::Failed(e.to_string()))
            .and_then(|line| {
                serde_json::from_str(&line).map_err(|e| Refusal::Failed(e.to_string()))
            })
            .and_then(|command| answer(&command, &mut kept));
        let reply = match answer {
            Ok(reply) => reply,
            Err(Refusal::Unavailable(why)) => json!({"ok": false, "unavailable": why}),
            Err(Refusal::Failed(error)) => json!({"ok": false, "error": error}),
        };
        writeln!(replies, "{reply}").expect("someone listens");
    }
}

fn answer(command: &Value, kept: &mut Option<Kept>) -> Result<Value, Refusal> {
    match command["do"].as_str() {
        Some("hello") => Ok(hello()),
        Some("round") => round(command, kept),
        _ => Err(Refusal::Unavailable("there is no such command here".into())),
    }
}

fn hello() -> Value {
    json!({
        "ok": true,
        "name": "snowplow_tracker (Rust)",
        "version": locked_version("snowplow_tracker"),
        "runtime": env!("COMPILER"),
        "versions": {
            "reqwest": locked_version("reqwest"),
            "hyper": locked_version("hyper"),
            "tokio": locked_version("tokio"),
            "mimalloc": locked_version("mimalloc"),
        },
    })
}

/// Returns the version of a crate that this program was built with.
fn locked_version(name: &str) -> &'static str {
    LOCK_FILE
        .split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split('"').next())
        .unwrap_or("unknown")
}

fn round(command: &Value, kept: &mut Option<Kept>) -> Result<Value, Refusal> {
    let name = command["workload"].as_str().unwrap_or_default();
    let workload = Workload::named(name)
        .ok_or_else(|| Refusal::Unavailable(format!("there is no workload {name} here")))?;
    let number = |key: &str| {
        let missing = || Refusal::Failed(format!("a round needs {key}"));
        command[key].as_u64().ok_or_else(missing)
    };
    let (first, events) = (number("first")?, number("events")?);
    let timeout = command["timeout"].as_f64().unwrap_or(120.0);
    let collector = command["collector"].as_str().unwrap_or_default();
    let batch_size = match command["settings"]["batch_size"].as_u64() {
        Some(size) => size as usize,
        None => DEFAULT_BATCH_SIZE,
    };
    let has_subject = workload.has_tracker_subject();
    let same = |k: &Kept| {
        (k.collector.as_str(), k.batch_size, k.has_subject) == (collector, batch_size, has_subject)
    };
    if !kept.as_ref().is_some_and(same) {
        *kept = None; // closed before the next one opens
        *kept = Some(Kept::open(collector, batch_size, has_subject)?);
    }
    let using = kept.as_mut().expect("it has just been opened");
    using.ledger.reset();

    let (began, cpu_began) = (Instant::now(), cpu_seconds());
    let deadline = began + Duration::from_secs_f64(timeout);
    let done = feed(using, workload, first..first + events, deadline);
    let (cpu, wall) = (cpu_seconds() - cpu_began, began.elapsed().as_secs_f64());

    let (offered, refused) = using.ledger.offered_and_refused();
    if !done {
        *kept = None;
    }
    Ok(json!({
        "ok": true,
        "wall_seconds": wall,
        "cpu_seconds": cpu,
        "offered": offered,
        "refused": refused,
        "note": note(command, workload),
    }))
}

/// Tracks these events and waits until all are answered; false if that takes too long.
fn feed(
    using: &mut Kept,
    workload: Workload,
    numbers: std::ops::Range<u64>,
    deadline: Instant,
) -> bool {
    let max_outstanding = using.batch_size * MAX_REQUESTS;
    for number in numbers {
        if !using.ledger.admit(max_outstanding, deadline) {
            return false;
        }
        if workload.track(&mut using.tracker, number).is_err() {
            using.ledger.refuse();
        }
    }
    let _ = using.tracker.flush(); // an error says that there is nothing left to send
    using.ledger.settle(deadline)
}

fn note(command: &Value, workload: Workload) -> String {
    let mut remarks = vec!["it sends p=pc, and no tna"];
    if workload.has_page_views() {
        remarks.push("it has no page view: a structured event with the same subject and fields");
    }
    if workload.has_tracker_subject() {
        remarks.push("it adds its subject only to events that have one: an empty one each");
    }
    if command["settings"]["base64"].as_bool() == Some(true) {
        remarks.push("it cannot send base64");
    }
    if command["producers"].as_u64().unwrap_or(1) > 1 {
        remarks.push("its tracker cannot be shared by threads: one thread for all producers");
    }
    remarks.join("; ")
}

/// Returns the processor time that all threads of this process have used.
fn cpu_seconds() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a rusage that lives until the call returns, and all zeros is a valid one.
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}
