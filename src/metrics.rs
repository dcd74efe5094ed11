//! Groups of metrics, each declared in the file that counts them.
//!
//! `metrics!` declares a group: a struct with one row per metric, which gives the help text, field, type and
//! registered name. A row without a name is a count that only `status` or the page shows. Registering a group registers
//! clones, which share their value with the original.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeMetric, MetricEncoder, NoLabelSet};
pub use prometheus_client::metrics::counter::Counter;
pub use prometheus_client::metrics::family::Family;
pub use prometheus_client::metrics::gauge::Gauge;
pub use prometheus_client::metrics::{MetricType, TypedMetric};
pub use prometheus_client::registry::Registry;

/// The labels of a sample, as pairs of name and value.
pub type Labels<const N: usize, V = &'static str> = [(&'static str, V); N];

/// A group of metrics that are counted in the same place.
pub trait Group {
    /// Registered name and type of each metric that has a name.
    const DECLARED: &'static [(&'static str, MetricType)];

    /// Registers every metric that has a name.
    fn register(&self, registry: &mut Registry);
}

/// Declares a [`Group`].
///
/// `/// Help text` `field: Type = "registered_name", initial_value;` The name and the initial value may be left out.
macro_rules! metrics {
    (
        $(#[$doc:meta])* $vis:vis struct $group:ident {
            $( #[doc = $help:literal] $field:ident: $type:ty $(= $name:literal $(, $initial:expr)?)?; )*
        }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug)]
        $vis struct $group {
            $( #[doc = $help] $vis $field: $type, )*
        }

        impl Default for $group {
            fn default() -> Self {
                Self { $( $field: $crate::metrics::initial!($($($initial)?)?), )* }
            }
        }

        impl $crate::metrics::Group for $group {
            const DECLARED: &'static [(&'static str, $crate::metrics::MetricType)] = &[
                $($( ($name, <$type as $crate::metrics::TypedMetric>::TYPE), )?)*
            ];

            fn register(&self, registry: &mut $crate::metrics::Registry) {
                $($( registry.register($name, $help.trim(), self.$field.clone()); )?)*
            }
        }
    };
}

/// The initial value of a metric: the given one, or the default of its type.
macro_rules! initial {
    () => {
        Default::default()
    };
    ($initial:expr) => {
        $initial
    };
}

pub(crate) use {initial, metrics};

/// Returns the names of the samples of a metric, with the suffixes of its type.
pub fn sample_names(name: &str, kind: MetricType) -> Vec<String> {
    let suffixes: &[&str] = match kind {
        MetricType::Counter => &["_total"],
        MetricType::Info => &["_info"],
        MetricType::Histogram => &["_bucket", "_sum", "_count"],
        MetricType::Gauge | MetricType::Unknown => &[""],
    };
    suffixes.iter().map(|suffix| format!("{name}{suffix}")).collect()
}

/// Returns a family that contains each of these label sets from the start, with the value 0.
pub fn zeroed<L, M>(labels: impl IntoIterator<Item = L>) -> Family<L, M>
where
    L: Clone + Eq + Hash,
    M: Default,
{
    let family = Family::default();
    for labels in labels {
        drop(family.get_or_create(&labels));
    }
    family
}

/// Converts a count to the value of a gauge; one that is too large becomes `i64::MAX`.
pub fn gauged(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
}

/// An info metric: constant labels, such as a version, on a sample whose value is always 1.
#[derive(Clone, Debug, Default)]
pub struct Info<L>(pub L);

impl<L> TypedMetric for Info<L> {
    const TYPE: MetricType = MetricType::Info;
}

impl<L: EncodeLabelSet> EncodeMetric for Info<L> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        encoder.encode_info(&self.0)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// Raises a gauge by 1 until it is dropped.
#[derive(Debug)]
pub struct Raised(Gauge);

impl Raised {
    /// Raises the gauge by 1 until the returned guard is dropped.
    pub fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Upper bounds of the buckets of [`Latency`], in ns; one more bucket takes everything above the last bound.
pub const BOUNDS: [u64; 16] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    50_000_000,
    250_000_000,
    1_000_000_000,
];

/// A latency histogram whose quantiles can be read: that of `prometheus-client` can only be encoded.
#[derive(Clone, Debug, Default)]
pub struct Latency(Arc<Buckets>);

#[derive(Debug, Default)]
struct Buckets {
    counts: [AtomicU64; BOUNDS.len() + 1],
    nanoseconds: AtomicU64,
}

/// The counts of a [`Latency`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LatencyCounts {
    /// Number of samples in each bucket, not cumulative; the last bucket has no upper bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// Sum of all samples, in ns.
    pub nanoseconds: u64,
}

impl Latency {
    /// Adds a sample to the bucket of its latency.
    pub fn observe(&self, time: Duration) {
        let nanoseconds = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| nanoseconds <= *bound).unwrap_or(BOUNDS.len());
        if let Some(bucket) = self.0.counts.get(bucket) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
        self.0.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// Returns a copy of the counts.
    pub fn counts(&self) -> LatencyCounts {
        let mut counts = LatencyCounts::default();
        for (into, bucket) in counts.buckets.iter_mut().zip(&self.0.counts) {
            *into = bucket.load(Ordering::Relaxed);
        }
        counts.nanoseconds = self.0.nanoseconds.load(Ordering::Relaxed);
        counts
    }
}

impl LatencyCounts {
    /// Returns the number of samples in all buckets.
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Returns the counts of the samples that were added after `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut since = *self;
        for (into, before) in since.buckets.iter_mut().zip(&before.buckets) {
            *into = into.saturating_sub(*before);
        }
        since.nanoseconds = self.nanoseconds.saturating_sub(before.nanoseconds);
        since
    }

    /// Returns the `per_mille` quantile in ns (upper bucket bound), or `None` without samples.
    pub fn quantile(&self, per_mille: u64) -> Option<u64> {
        let count = self.count();
        let rank = count.saturating_mul(per_mille).div_ceil(1000).max(1);
        let mut sum = 0_u64;
        let bounds = BOUNDS.iter().chain(BOUNDS.last());
        bounds.zip(&self.buckets).find_map(|(bound, count)| {
            sum = sum.saturating_add(*count);
            (sum >= rank).then_some(*bound)
        })
    }
}

impl TypedMetric for Latency {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Latency {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), fmt::Error> {
        let counts = self.counts();
        let bounds = BOUNDS.iter().map(|bound| seconds(*bound)).chain([f64::MAX]);
        let buckets: Vec<_> = bounds.zip(counts.buckets).collect();
        let sum = seconds(counts.nanoseconds);
        encoder.encode_histogram::<NoLabelSet>(sum, counts.count(), &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[expect(clippy::cast_precision_loss, reason = "2^53 ns are 104 days of waiting")]
fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_latency_histogram_returns_quantiles() {
        let latency = Latency::default();
        assert_eq!(latency.counts().quantile(500), None);
        for micros in [1, 3, 3, 4, 40, 90, 90, 90, 90, 9_000_000] {
            latency.observe(Duration::from_micros(micros));
        }
        let counts = latency.counts();
        assert_eq!((counts.count(), counts.nanoseconds), (10, 9_000_411_000));
        let quantiles = [0, 100, 400, 401, 500, 900, 901, 1000].map(|it| counts.quantile(it));
        let expected = [1_000, 1_000, 5_000, 50_000, 50_000, 100_000, 1_000_000_000, 1_000_000_000];
        assert_eq!(quantiles, expected.map(Some));
        latency.observe(Duration::from_micros(7));
        assert_eq!(latency.counts().since(&counts).quantile(990), Some(10_000));
        assert_eq!(latency.counts().since(&counts).count(), 1);
    }

    #[test]
    fn a_raised_gauge_falls_when_it_is_dropped() {
        let gauge = Gauge::default();
        let raised = Raised::new(&gauge);
        assert_eq!(gauge.get(), 1);
        drop(raised);
        assert_eq!(gauge.get(), 0);
    }
}
