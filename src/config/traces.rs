//! Defines the settings of traces, by the names of the OpenTelemetry specification, which says what
//! each means: <https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>.
//!
//! Only a program with the feature `otlp` reads them, since other software of a machine may need
//! values that are not for this one.

use std::path::Path;
use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::pairs::parse_pairs;
use super::setting::{Known, SECRET, Setting, WITHOUT_PATH};
use super::{Sources, text};
use tokenpair::config::Reader;

pub(super) const KNOWN: &[Known] = &[
    ENDPOINT.known(),
    TRACES_ENDPOINT.known(),
    HEADERS.known(),
    TRACES_HEADERS.known(),
    PROTOCOL.known(),
    TRACES_PROTOCOL.known(),
    COMPRESSION.known(),
    TIMEOUT.known(),
    CERTIFICATE.known(),
    SERVICE_NAME.known(),
    RESOURCE.known(),
    SAMPLER.known(),
    SAMPLER_ARG.known(),
    QUEUE.known(),
    BATCH.known(),
    DELAY.known(),
    EXPORTER.known(),
    DISABLED.known(),
];

const ENDPOINT: Setting<Option<Url>> = Setting::new(
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "none",
    "Base address of an OpenTelemetry collector, such as http://127.0.0.1:4318; spans go to its path v1/traces. Without an address, no traces. All OTEL_ settings need a program with the feature otlp.",
    |reader, name| {
        let base = address(reader, name);
        base.and_then(|mut base| {
            let mut path = base.path_segments_mut().ok()?;
            path.pop_if_empty().extend(["v1", "traces"]);
            drop(path);
            Some(base)
        })
    },
)
.shown_by(WITHOUT_PATH);

const TRACES_ENDPOINT: Setting<Option<Url>> = Setting::new(
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "none",
    "Full address that spans are sent to, instead of the base address.",
    address,
)
.shown_by(WITHOUT_PATH);

const HEADERS: Setting<Vec<(String, SecretString)>> = Setting::new(
    "OTEL_EXPORTER_OTLP_HEADERS",
    "none",
    "Headers for the collector, such as an API key: name=value with commas, values percent-encoded.",
    headers,
)
.shown_by(SECRET);

const TRACES_HEADERS: Setting<Vec<(String, SecretString)>> = Setting::new(
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_HEADERS",
    "Headers for traces alone.",
    headers,
)
.shown_by(SECRET);

const PROTOCOL: Setting<()> = Setting::new(
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "http/protobuf",
    "Only http/protobuf.",
    protocol,
);

const TRACES_PROTOCOL: Setting<()> = Setting::new(
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "http/protobuf",
    "Only http/protobuf.",
    protocol,
);

const COMPRESSION: Setting<bool> = Setting::new(
    "OTEL_EXPORTER_OTLP_COMPRESSION",
    "none",
    "Compression of what is sent to the collector: none or gzip.",
    |reader, name| reader.choice(name, false, &[("none", false), ("gzip", true)]),
);

const TIMEOUT: Setting<Duration> = Setting::new(
    "OTEL_EXPORTER_OTLP_TIMEOUT",
    "10000",
    "Timeout of a batch of spans, with its retries, in milliseconds. 100 to 60000.",
    |reader, name| milliseconds(reader, name, 10_000, 100),
);

const CERTIFICATE: Setting<Option<String>> = Setting::new(
    "OTEL_EXPORTER_OTLP_CERTIFICATE",
    "the system's",
    "Path of a PEM file with the certificate authorities of a collector on https.",
    |reader, name| {
        let path = reader.text(name)?;
        let read = text::read(Path::new(&path)).and_then(|pem| {
            let has_one = pem.contains("-----BEGIN CERTIFICATE-----");
            let none = "has no PEM certificate; write the path of one";
            has_one.then_some(pem).ok_or_else(|| none.to_owned())
        });
        match read {
            Ok(pem) => Some(pem),
            Err(complaint) => {
                reader.problem(name, format!("names {path}, which {complaint}"));
                None
            }
        }
    },
);

const SERVICE_NAME: Setting<Option<String>> = Setting::new(
    "OTEL_SERVICE_NAME",
    "tokenpair",
    "The service's name in traces.",
    |reader, name| reader.text(name),
);

const RESOURCE: Setting<Vec<(String, String)>> = Setting::new(
    "OTEL_RESOURCE_ATTRIBUTES",
    "none",
    "Attributes of this process in traces: name=value with commas, such as deployment.environment.name=production.",
    |reader, name| {
        let wanted = "write name=value with commas, and percent-encode other characters, as in service.namespace=accounts";
        pairs(reader, name, wanted).unwrap_or_default()
    },
);

const SAMPLER: Setting<SamplerKind> = Setting::new(
    "OTEL_TRACES_SAMPLER",
    "parentbased_always_on",
    "Which requests are traced: always_on, always_off, traceidratio, or the same with parentbased_ before it, which follows the caller's traceparent.",
    |reader, name| {
        use SamplerKind::{AlwaysOff, AlwaysOn, Ratio};
        let choices = [
            ("always_on", AlwaysOn { follow: false }),
            ("always_off", AlwaysOff { follow: false }),
            ("traceidratio", Ratio { follow: false }),
            ("parentbased_always_on", AlwaysOn { follow: true }),
            ("parentbased_always_off", AlwaysOff { follow: true }),
            ("parentbased_traceidratio", Ratio { follow: true }),
        ];
        reader.choice(name, AlwaysOn { follow: true }, &choices)
    },
);

const SAMPLER_ARG: Setting<Option<f64>> = Setting::new(
    "OTEL_TRACES_SAMPLER_ARG",
    "1.0",
    "Share of traces that traceidratio keeps, from 0.0 to 1.0.",
    |reader, name| {
        let wanted = "write the share of traces to keep, from 0.0 to 1.0";
        reader.parsed(name, None, wanted, |text| {
            let share: f64 = text.parse().ok()?;
            (0.0..=1.0).contains(&share).then_some(Some(share))
        })
    },
);

const QUEUE: Setting<usize> = Setting::new(
    "OTEL_BSP_MAX_QUEUE_SIZE",
    "2048",
    "Maximum spans that wait to be sent. Further ones are dropped and counted in the log. 1 to 100000.",
    |reader, name| reader.number(name, 2048, 1..=100_000),
);

const BATCH: Setting<usize> = Setting::new(
    "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    "512",
    "Maximum spans in a request to the collector. 1 to 10000.",
    |reader, name| reader.number(name, 512, 1..=10_000),
);

const DELAY: Setting<Duration> = Setting::new(
    "OTEL_BSP_SCHEDULE_DELAY",
    "5000",
    "Maximum wait of a span before it is sent, in milliseconds. 100 to 60000.",
    |reader, name| milliseconds(reader, name, 5_000, 100),
);

const EXPORTER: Setting<bool> = Setting::new(
    "OTEL_TRACES_EXPORTER",
    "otlp",
    "otlp, or none to send no traces.",
    |reader, name| reader.choice(name, true, &[("otlp", true), ("none", false)]),
);

const DISABLED: Setting<bool> = Setting::new(
    "OTEL_SDK_DISABLED",
    "false",
    "true: send no traces.",
    // By the specification, any text but `true` means false.
    |reader, name| {
        let text = reader.text(name);
        text.is_some_and(|text| text.eq_ignore_ascii_case("true"))
    },
);

/// Where spans are sent, which ones, and how.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// The full address.
    pub endpoint: Url,
    /// Headers of each request, whose values may be secret.
    pub headers: Vec<(String, SecretString)>,
    /// Whether spans are compressed.
    pub gzip: bool,
    /// The timeout of a request with its retries.
    pub timeout: Duration,
    /// The text of a PEM file with certificate authorities. Default: the system's.
    pub authorities: Option<String>,
    /// `OTEL_SERVICE_NAME`. Default: the one in `resource`, or `tokenpair`.
    pub service_name: Option<String>,
    /// `OTEL_RESOURCE_ATTRIBUTES`
    pub resource: Vec<(String, String)>,
    /// `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG`
    pub sampler: TraceSampler,
    /// Maximum spans that wait.
    pub queue: usize,
    /// Maximum spans in a request.
    pub batch: usize,
    /// Maximum wait of a span.
    pub delay: Duration,
}

/// Which requests are traced.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct TraceSampler {
    /// Share of traces to keep, from 0 to 1.
    pub share: f64,
    /// Whether the caller's `traceparent` decides, if it has one.
    pub follow: bool,
}

#[derive(Clone, Copy)]
enum SamplerKind {
    AlwaysOn { follow: bool },
    AlwaysOff { follow: bool },
    Ratio { follow: bool },
}

/// Reads the settings. `None` without an address, or without the feature.
pub(super) fn traces(reader: &mut Reader<'_>) -> Option<TraceSettings> {
    if !cfg!(feature = "otlp") || DISABLED.read(reader) || !EXPORTER.read(reader) {
        return None;
    }
    let mut addresses = [TRACES_ENDPOINT.name(), ENDPOINT.name()].into_iter();
    if addresses.all(|name| reader.text(name).is_none()) {
        return None;
    }
    // A wrong base address is reported even if it is not needed.
    let base = ENDPOINT.read(reader);
    let endpoint = TRACES_ENDPOINT.read(reader).or(base);
    let common = HEADERS.read(reader);
    let own = TRACES_HEADERS.read(reader);
    // The signal's own protocol has precedence (specification of the OTLP exporter).
    if reader.text(TRACES_PROTOCOL.name()).is_some() {
        TRACES_PROTOCOL.read(reader);
    } else {
        PROTOCOL.read(reader);
    }
    Some(TraceSettings {
        headers: if own.is_empty() { common } else { own },
        gzip: COMPRESSION.read(reader),
        timeout: TIMEOUT.read(reader),
        authorities: CERTIFICATE.read(reader),
        service_name: SERVICE_NAME.read(reader),
        resource: RESOURCE.read(reader),
        sampler: sampler(reader),
        queue: QUEUE.read(reader),
        batch: BATCH.read(reader),
        delay: DELAY.read(reader),
        // Last, so that a wrong address is reported together with the other settings.
        endpoint: endpoint?,
    })
}

fn sampler(reader: &mut Reader<'_>) -> TraceSampler {
    use SamplerKind::{AlwaysOff, AlwaysOn, Ratio};
    let kind = SAMPLER.read(reader);
    let share = SAMPLER_ARG.read(reader);
    match kind {
        AlwaysOn { follow } => TraceSampler { share: 1.0, follow },
        AlwaysOff { follow } => TraceSampler { share: 0.0, follow },
        Ratio { follow } => TraceSampler {
            share: share.unwrap_or(1.0),
            follow,
        },
    }
}

/// Returns a note for a program that cannot send the traces that the settings ask for.
pub(super) fn remark(sources: &Sources) -> Option<String> {
    if cfg!(feature = "otlp") {
        return None;
    }
    let names = [TRACES_ENDPOINT.name(), ENDPOINT.name()];
    let is_set = |name: &&str| matches!(sources.get(name), Ok(Some(_)));
    let name = names.into_iter().find(is_set)?;
    Some(format!(
        "{name} is set, but this program was built without traces and sends none: build it with the feature otlp \
         (`cargo build --release --features otlp`), or remove the setting"
    ))
}

/// Reads an address without a password, which a log would show.
fn address(reader: &mut Reader<'_>, name: &'static str) -> Option<Url> {
    let wanted = "write the collector's address, as in http://127.0.0.1:4318, without a user name or password \
                  (use OTEL_EXPORTER_OTLP_HEADERS)";
    let text = reader.text(name)?;
    let is_fit = |url: &Url| {
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_short = url.query().is_none() && url.fragment().is_none();
        matches!(url.scheme(), "http" | "https") && url.has_host() && is_plain && is_short
    };
    let url = Url::parse(&text).ok().filter(is_fit);
    if url.is_none() {
        // Not quoted, since it may hold a password.
        reader.problem(
            name,
            format!("is not an address of http or https; {wanted}"),
        );
    }
    url
}

fn protocol(reader: &mut Reader<'_>, name: &'static str) {
    let wanted = "write http/protobuf, the only protocol here, and the collector's address for it, whose usual port is 4318";
    reader.parsed(name, (), wanted, |text| {
        (text == "http/protobuf").then_some(())
    });
}

fn milliseconds(reader: &mut Reader<'_>, name: &str, default: u64, least: u64) -> Duration {
    Duration::from_millis(reader.number(name, default, least..=60_000))
}

fn headers(reader: &mut Reader<'_>, name: &'static str) -> Vec<(String, SecretString)> {
    let wanted = "write name=value with commas, with percent-encoded values, as in api-key=secret";
    let Some(pairs) = secret_pairs(reader, name, wanted) else {
        return Vec::new();
    };
    let is_valid = |(name, value): &(String, String)| {
        use actix_web::http::header::{HeaderName, HeaderValue};
        HeaderName::try_from(name.as_str()).is_ok() && HeaderValue::try_from(value.as_str()).is_ok()
    };
    if !pairs.iter().all(is_valid) {
        reader.problem(
            name,
            format!("has a name or value that no header can have; {wanted}"),
        );
    }
    let secret = |(name, value): (String, String)| (name, SecretString::from(value));
    pairs.into_iter().map(secret).collect()
}

fn pairs(reader: &mut Reader<'_>, name: &str, wanted: &str) -> Option<Vec<(String, String)>> {
    reader.parsed(name, None, wanted, |text| parse_pairs(text).map(Some))
}

/// Like [`pairs`], but does not quote the text.
fn secret_pairs(
    reader: &mut Reader<'_>,
    name: &str,
    wanted: &str,
) -> Option<Vec<(String, String)>> {
    let pairs = parse_pairs(&reader.text(name)?);
    if pairs.is_none() {
        reader.problem(name, format!("is not a list of headers; {wanted}"));
    }
    pairs
}
