//! Knows which events the collector has answered: the tracker itself tells nobody.

use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Instant;

use async_trait::async_trait;
use snowplow_tracker::{Error, HttpClient, ReqwestClient, SelfDescribingJson};

/// Answers after which the tracker gives its events up.
const FINAL_STATUS_CODES: [u16; 5] = [400, 401, 403, 410, 422];

/// Events that the tracker has been offered, and what became of them.
#[derive(Default)]
struct Counts {
    offered: usize,
    delivered: usize,
    refused: usize,
}

impl Counts {
    fn outstanding(&self) -> usize {
        self.offered - self.delivered - self.refused
    }
}

/// Counts the events of a round on their way.
#[derive(Default)]
pub struct Ledger {
    counts: Mutex<Counts>,
    changed: Condvar,
}

impl Ledger {
    /// Forgets the last round.
    pub fn reset(&self) {
        *self.counts.lock().unwrap() = Counts::default();
    }

    /// Waits until fewer than so many events are on their way, then counts one more as offered.
    ///
    /// To be called before the tracker gets the event: the answer may be faster than `track()` returns.
    /// False if the wait takes too long.
    pub fn admit(&self, max_outstanding: usize, deadline: Instant) -> bool {
        match self.wait_for(max_outstanding - 1, deadline) {
            Some(mut counts) => {
                counts.offered += 1;
                true
            }
            None => false,
        }
    }

    /// Notes that the tracker did not take the event that was admitted last.
    pub fn refuse(&self) {
        self.counts.lock().unwrap().refused += 1;
    }

    /// Waits until all events are answered; false if that takes too long.
    pub fn settle(&self, deadline: Instant) -> bool {
        self.wait_for(0, deadline).is_some()
    }

    fn wait_for(&self, outstanding: usize, deadline: Instant) -> Option<MutexGuard<'_, Counts>> {
        let mut counts = self.counts.lock().unwrap();
        while counts.outstanding() > outstanding {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            counts = self.changed.wait_timeout(counts, left).unwrap().0;
        }
        Some(counts)
    }

    /// Returns how many events were offered, and how many of them were refused.
    pub fn offered_and_refused(&self) -> (usize, usize) {
        let counts = self.counts.lock().unwrap();
        (counts.offered, counts.refused)
    }

    fn answered(&self, events: usize, status: u16) {
        let mut counts = self.counts.lock().unwrap();
        if (200..300).contains(&status) {
            counts.delivered += events;
        } else if FINAL_STATUS_CODES.contains(&status) {
            counts.refused += events;
        } else {
            return; // the tracker will try again
        }
        self.changed.notify_all();
    }
}

/// The tracker's own HTTP client, overheard.
pub struct CountingClient {
    client: Box<dyn HttpClient + Send + Sync>,
    ledger: Arc<Ledger>,
}

impl CountingClient {
    pub fn new(collector_url: &str, ledger: Arc<Ledger>) -> CountingClient {
        CountingClient {
            client: ReqwestClient::new(collector_url),
            ledger,
        }
    }
}

#[async_trait]
impl HttpClient for CountingClient {
    async fn post(&self, payload: SelfDescribingJson) -> Result<u16, Error> {
        let events = payload.data.as_array().map_or(0, Vec::len);
        let answer = self.client.post(payload).await;
        if let Ok(status) = &answer {
            self.ledger.answered(events, *status);
        }
        answer
    }

    fn clone(&self) -> Box<dyn HttpClient + Send + Sync> {
        Box::new(CountingClient {
            client: (*self.client).clone(),
            ledger: Arc::clone(&self.ledger),
        })
    }
}
