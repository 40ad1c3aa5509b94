//! Bounds the spans that wait for the collector, and reports lost ones, at most once a minute.
//! A request never waits: past the bound, its span is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{BatchSpanProcessor, Span, SpanData, SpanExporter, SpanProcessor};

use super::collector::NetworkFailure;
use crate::server::log_interval::LogInterval;

const REPORT_EVERY: Duration = Duration::from_secs(60);

/// The counts of spans. Clones share them.
#[derive(Clone)]
pub(super) struct Queue(Arc<Counts>);

struct Counts {
    limit: usize,
    /// Spans that wait, without the batch being sent.
    waiting: AtomicUsize,
    /// Spans of the batch being sent.
    sending: AtomicUsize,
    /// Spans that found the queue full, since the last report.
    dropped: AtomicUsize,
    /// Spans that the collector did not take, since the last report.
    refused: AtomicUsize,
    reports: LogInterval,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self(Arc::new(Counts {
            limit,
            waiting: AtomicUsize::new(0),
            sending: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            reports: LogInterval::new(REPORT_EVERY),
        }))
    }

    /// Returns whether there is room for a span, which waits from then on.
    fn enter(&self) -> bool {
        let counts = &self.0;
        let more = |waiting| (waiting < counts.limit).then_some(waiting + 1);
        let entered = counts
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if entered.is_err() {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
            self.report("the queue (OTEL_BSP_MAX_QUEUE_SIZE) is full");
        }
        entered.is_ok()
    }

    fn leave(&self, spans: usize) {
        self.0.waiting.fetch_sub(spans, Ordering::Relaxed);
        self.0.sending.store(spans, Ordering::Relaxed);
    }

    /// Ends the sending of a batch, which failed if there is a reason.
    fn sent(&self, spans: usize, failure: Option<&str>) {
        self.0.sending.store(0, Ordering::Relaxed);
        if let Some(why) = failure {
            self.0.refused.fetch_add(spans, Ordering::Relaxed);
            self.report(why);
        }
    }

    /// Logs how many spans were lost, unless it did so less than a minute ago.
    fn report(&self, why: &str) {
        if self.0.reports.is_due() {
            self.log_lost(why);
        }
    }

    fn log_lost(&self, why: &str) {
        let take = |count: &AtomicUsize| count.swap(0, Ordering::Relaxed);
        let lost = take(&self.0.dropped) + take(&self.0.refused);
        match lost {
            0 => {}
            1 => log::warn!("1 span was lost: {why}"),
            lost => log::warn!("{lost} spans were lost: {why}"),
        }
    }

    /// Logs the rest at the end.
    pub(super) fn finish(&self, is_late: bool) {
        if is_late {
            let unsent = [&self.0.waiting, &self.0.sending];
            let unsent = unsent.map(|count| count.load(Ordering::Relaxed));
            let [waiting, sending] = unsent;
            self.0
                .refused
                .fetch_add(waiting + sending, Ordering::Relaxed);
        }
        self.log_lost("the collector did not take them before the end of the program");
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Queue").field(&self.0.limit).finish()
    }
}

/// Passes spans to the processor of batches while there is room. The processor itself would drop
/// others in silence.
#[derive(Debug)]
pub(super) struct Bounded {
    batches: BatchSpanProcessor,
    queue: Queue,
}

impl Bounded {
    pub(super) const fn new(batches: BatchSpanProcessor, queue: Queue) -> Self {
        Self { batches, queue }
    }
}

impl SpanProcessor for Bounded {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.queue.enter() {
            self.batches.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// An exporter that reports what it cannot send.
#[derive(Debug)]
pub(super) struct Reported {
    exporter: OtlpExporter,
    failure: NetworkFailure,
    queue: Queue,
}

impl Reported {
    pub(super) const fn new(exporter: OtlpExporter, failure: NetworkFailure, queue: Queue) -> Self {
        Self {
            exporter,
            failure,
            queue,
        }
    }
}

impl SpanExporter for Reported {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.queue.leave(spans);
        let result = self.exporter.export(batch).await;
        let network = self.failure.take();
        let why = result.as_ref().err().map(|error| match network {
            Some(network) => format!("cannot reach the collector: {network}"),
            None => error.to_string(),
        });
        self.queue.sent(spans, why.as_deref());
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_queue_drops_and_counts_spans_and_has_room_again_later() {
        let queue = Queue::new(2);
        assert_eq!(
            [queue.enter(), queue.enter(), queue.enter()],
            [true, true, false]
        );
        queue.leave(2);
        queue.sent(2, Some("it is away"));
        assert!(queue.enter());
        // The drop was reported at once, and the failure has to wait.
        assert_eq!(queue.0.dropped.load(Ordering::Relaxed), 0);
        assert_eq!(queue.0.refused.load(Ordering::Relaxed), 2);
        queue.finish(true);
        assert_eq!(queue.0.refused.load(Ordering::Relaxed), 0);
    }
}
