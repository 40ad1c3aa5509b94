//! Defines the settings of the metrics: the address that Prometheus scrapes.

use super::bind::{Bind, read_address};
use super::setting::{Known, Setting, is_off};
use tokenpair::config::Reader;

pub(super) const KNOWN: &[Known] = &[BIND.known()];

/// The port that Prometheus' list of exporters gives to OpenTelemetry.
const EXAMPLE: &str = "127.0.0.1:9464";

const BIND: Setting<Option<Bind>> = Setting::new(
    "METRICS_BIND",
    "off",
    "The address and port of GET /metrics, for Prometheus, as in 127.0.0.1:9464. Not that of SERVER_BIND: anyone who reaches it reads the metrics.",
    |reader, name| {
        if reader.text(name).is_some_and(|text| is_off(&text)) {
            return None;
        }
        read_address(reader, name, EXAMPLE)
    },
);

/// Reads the address, which must not be the server's.
pub(super) fn metrics(reader: &mut Reader<'_>, server: &Bind) -> Option<Bind> {
    let bind = BIND.read(reader)?;
    if bind.overlaps(server) {
        let complaint = format!(
            "is {bind}, and SERVER_BIND is {server}: two servers cannot listen on one port; choose another port, such as 9464"
        );
        reader.problem(BIND.name(), complaint);
    }
    Some(bind)
}
