//! Writes families of metrics: a name, what it is, and a sample for each value of a label.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, MetricEncoder, NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use super::histogram::Totals;

/// Writes families.
pub(super) struct Out<'a>(pub(super) DescriptorEncoder<'a>);

/// A metric's name and what it is.
pub(super) type Described = (&'static str, &'static str);

impl Out<'_> {
    pub(super) fn family<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }

    pub(super) fn gauge(
        &mut self,
        (name, help): Described,
        value: impl EncodeGaugeValue + Copy,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    pub(super) fn gauges(
        &mut self,
        (name, help): Described,
        label: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Gauge)?;
        for (word, value) in values {
            family
                .encode_family(&[(label, word)])?
                .encode_gauge(&value)?;
        }
        Ok(())
    }

    pub(super) fn counter(
        &mut self,
        (name, help): Described,
        value: impl EncodeCounterValue + Copy,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        family.encode_counter(&value, NO_EXEMPLAR)
    }

    pub(super) fn counters(
        &mut self,
        (name, help): Described,
        label: &str,
        values: impl Iterator<Item = (&'static str, u64)>,
    ) -> fmt::Result {
        let mut family = self.family(name, help, MetricType::Counter)?;
        for (word, value) in values {
            let labels = [(label, word)];
            let mut series = family.encode_family(&labels)?;
            series.encode_counter(&value, NO_EXEMPLAR)?;
        }
        Ok(())
    }
}

const NO_EXEMPLAR: Option<&Exemplar<NoLabelSet, f64>> = None;

/// Writes one series of a histogram.
pub(super) fn histogram(
    family: &mut MetricEncoder<'_>,
    labels: &[(&str, &str)],
    totals: &Totals,
) -> fmt::Result {
    let (sum, count, buckets) = (totals.sum(), totals.count(), totals.buckets());
    let write = |series: &mut MetricEncoder<'_>| {
        series.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    };
    match labels {
        [] => write(family),
        labels => write(&mut family.encode_family(&labels)?),
    }
}
