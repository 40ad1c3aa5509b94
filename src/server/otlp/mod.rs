//! Implements traces: a span per request, sent to an OpenTelemetry collector by its protocol (OTLP).
//! Only with the feature `otlp`.

mod collector;
mod queue;
mod span;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};

use self::collector::NetworkFailure;
use self::queue::{Bounded, Queue, Reported};
pub(super) use self::span::ServerSpan;
use super::start_error::StartError;
use crate::config::{Settings, TraceSampler, TraceSettings};

/// How long the end of the program waits for a collector.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);

/// Makes the spans. Unset if no traces are sent. Like the log, there is one for the process.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// The traces of this process.
#[derive(Debug)]
pub struct Traces(Option<(SdkTracerProvider, Queue)>);

impl Traces {
    /// Starts to trace requests, if the settings name a collector. It need not be there yet.
    ///
    /// # Errors
    ///
    /// [`StartError::Traces`] if the environment sets something that the exporter cannot do.
    pub fn start(settings: &Settings) -> Result<Self, StartError> {
        let Some(settings) = &settings.traces else {
            return Ok(Self(None));
        };
        let failure = NetworkFailure::default();
        let exporter = collector::exporter(settings, &failure)?;
        let queue = Queue::new(settings.queue);
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue)
            .with_max_export_batch_size(settings.batch)
            .with_scheduled_delay(settings.delay)
            .build();
        let batches = BatchSpanProcessor::builder(Reported::new(exporter, failure, queue.clone()))
            .with_batch_config(config)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded::new(batches, queue.clone()))
            .with_sampler(sampler(settings.sampler))
            .with_resource(resource(settings))
            .build();
        let scope = InstrumentationScope::builder("tokenpair").with_version(VERSION);
        // A second start in a process keeps the first tracer.
        let _kept = TRACER.set(provider.tracer_with_scope(scope.build()));
        log::info!("sending traces to {}", settings.endpoint);
        Ok(Self(Some((provider, queue))))
    }

    /// Sends the spans that wait, for at most 2 s, and logs how many could not be sent.
    pub fn finish(self) {
        if let Some((provider, queue)) = self.0 {
            let finished = provider.shutdown_with_timeout(FINISH_TIMEOUT);
            queue.finish(finished.is_err());
        }
    }
}

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Returns the attributes of this process. Those of the settings win over ours, and the service's
/// own name over the others (specification of the resource SDK).
fn resource(settings: &TraceSettings) -> Resource {
    let own = [("service.name", "tokenpair"), ("service.version", VERSION)];
    let own = own.map(|(name, value)| KeyValue::new(name, value));
    let given = settings.resource.iter();
    let given = given.map(|(name, value)| KeyValue::new(name.clone(), value.clone()));
    let name = settings.service_name.clone();
    let name = name.map(|name| KeyValue::new("service.name", name));
    // Not from the environment, of which the settings are the judge.
    Resource::builder_empty()
        .with_detector(Box::new(TelemetryResourceDetector))
        .with_attributes(own)
        .with_attributes(given)
        .with_attributes(name)
        .build()
}

fn sampler(settings: TraceSampler) -> Sampler {
    let root = match settings.share {
        share if share >= 1.0 => Sampler::AlwaysOn,
        share if share <= 0.0 => Sampler::AlwaysOff,
        share => Sampler::TraceIdRatioBased(share),
    };
    if settings.follow {
        Sampler::ParentBased(Box::new(root))
    } else {
        root
    }
}
