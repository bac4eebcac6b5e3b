//! Requests of the filter's own, beside the exchange that it is in: to the store or a key service.
//!
//! The core only describes them; the host sends them and hands the reply back.

use zeroize::Zeroizing;

use crate::head::{Headers, RequestHead, ResponseHead};

/// A request that the host is to send.
#[derive(Clone, Debug)]
pub struct Callout {
    /// Where it goes.
    pub target: CalloutTarget,
    /// Its head, signed where that is needed.
    pub head: RequestHead,
    /// Its whole body.
    pub body: Vec<u8>,
    /// How long it may take, in milliseconds.
    pub timeout_ms: u64,
}

/// Where a callout goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CalloutTarget {
    /// The cluster that Envoy chose for the exchange.
    RoutedCluster,
    /// The Envoy cluster of this name.
    Cluster(String),
}

/// What came of a callout. Its body may be a key: it is zeroised, and does not print.
#[derive(Clone)]
pub enum CalloutReply {
    /// A whole response.
    Response {
        /// Its head.
        head: ResponseHead,
        /// Its whole body.
        body: Zeroizing<Vec<u8>>,
        /// Its trailers.
        trailers: Headers,
    },
    /// No response: it could not be sent, was reset, or was too large.
    Failed,
}

impl core::fmt::Debug for CalloutReply {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Response {
                head,
                body,
                trailers,
            } => formatter
                .debug_struct("Response")
                .field("head", head)
                .field("body_len", &body.len())
                .field("trailers", trailers)
                .finish(),
            Self::Failed => formatter.write_str("Failed"),
        }
    }
}
