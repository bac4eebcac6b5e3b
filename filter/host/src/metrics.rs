//! Counters.
//!
//! ```text
//! s3_envelope_requests_total;operation=PutObject;outcome=ok;fault=none
//! s3_envelope_sealed_bytes_total       plaintext bytes that were sealed
//! s3_envelope_opened_bytes_total       plaintext bytes that were opened and released
//! ```
//!
//! `ok` says that the filter found nothing wrong; the client may have left before the end.
//!
//! A plugin's counters have no labels of their own: Envoy's `stats_tags` makes them of the names,
//! with the pattern `(;operation=([^;]+))` for `operation`, and so on.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use s3_envelope::exchange::Summary;

use crate::hostcalls;

/// The counters of one worker.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    counters: BTreeMap<String, u32>,
}

impl Metrics {
    /// Counts an exchange that is over.
    pub(crate) fn count(&mut self, summary: &Summary) {
        let labels = Labels {
            summary,
            separator: ';',
        };
        self.add(format!("s3_envelope_requests_total;{labels}"), 1);
        self.add(
            "s3_envelope_sealed_bytes_total".to_owned(),
            summary.sealed_bytes,
        );
        self.add(
            "s3_envelope_opened_bytes_total".to_owned(),
            summary.opened_bytes,
        );
    }

    fn add(&mut self, name: String, by: u64) {
        let counter = match self.counters.get(&name) {
            Some(counter) => Ok(*counter),
            None => hostcalls::define_counter(&name),
        };
        match counter.and_then(|counter| hostcalls::increment(counter, by).map(|()| counter)) {
            Ok(counter) => {
                self.counters.insert(name, counter);
            }
            Err(error) => log::warn!("counter {name}: {error:?}"),
        }
    }
}

/// What became of an exchange, in words.
pub(crate) struct Labels<'a> {
    pub(crate) summary: &'a Summary,
    pub(crate) separator: char,
}

impl Display for Labels<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { summary, separator } = self;
        let operation = summary
            .operation
            .map_or("none", |operation| operation.name());
        let outcome = summary.error.unwrap_or("ok");
        let fault = summary.fault.map_or("none", |fault| fault.as_str());
        write!(
            formatter,
            "operation={operation}{separator}outcome={outcome}{separator}fault={fault}"
        )
    }
}
