//! The host as functions that return errors: the only file that calls the SDK's hostcalls.
//!
//! The SDK panics on a status that it does not list for a call, and a panic takes the worker's VM
//! with it. So no function here may be called where the host would answer so:
//!
//! - heads can be read and replaced from their callback until they go on, and never afterwards;
//! - a body can be replaced in its own callback only;
//! - a stream is answered at most once;
//! - the parts of a callout's reply can be read in its callback only.
//!
//! The variants that take text panic on bytes that are not UTF-8; only the `_bytes` ones are used.

use std::time::{Duration, SystemTime};

use proxy_wasm::hostcalls;
use proxy_wasm::types::{BufferType, MapType, MetricType, Status};
use s3_envelope::callout::{Callout, CalloutReply};
use s3_envelope::exchange::{Reply, Seed};
use s3_envelope::head::{Headers, ResponseHead};
use s3_envelope::time::UnixTime;

/// Which half of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The request.
    Request,
    /// The response.
    Response,
}

/// The names and values of a head, pseudo-header fields included.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// A host that does not do what it should, or can't be asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Error {
    /// The host refused this call.
    Host(&'static str, Status),
    /// A response head that is not HTTP.
    InvalidHead,
    /// A field whose value the host can't be given: no text, or with a line break.
    FieldValue,
    /// No random bytes.
    Randomness,
    /// The filter has no configuration, or the stream no exchange.
    NotReady,
}

/// The time.
pub(crate) fn now() -> UnixTime {
    let since_epoch = hostcalls::get_current_time()
        .ok()
        .and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    // Nothing that has been signed is valid in 1970, and no key expires: fails closed.
    since_epoch.map_or(UnixTime::EPOCH, |duration| {
        UnixTime::from_seconds(duration.as_secs())
    })
}

/// Fresh random bytes for one exchange.
pub(crate) fn seed() -> Result<Seed, Error> {
    let mut seed = Seed {
        data_key: [0; 32],
        part_salt: [0; 8],
        request_id: [0; 8],
    };
    for bytes in [
        &mut seed.data_key[..],
        &mut seed.part_salt,
        &mut seed.request_id,
    ] {
        getrandom::fill(bytes).map_err(|_| Error::Randomness)?;
    }
    Ok(seed)
}

/// The plugin's configuration; only in `on_configure`.
pub(crate) fn configuration(size: usize) -> Result<Vec<u8>, Error> {
    let bytes = hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size);
    Ok(bytes.map_err(host("configuration"))?.unwrap_or_default())
}

/// Sets how often the root context's `on_tick` is called.
pub(crate) fn set_tick_period(period: Duration) -> Result<(), Error> {
    hostcalls::set_tick_period(period).map_err(host("set_tick_period"))
}

/// Makes the stream `context_id` the one that the calls from here on are about.
pub(crate) fn set_effective_context(context_id: u32) -> Result<(), Error> {
    hostcalls::set_effective_context(context_id).map_err(host("set_effective_context"))
}

/// Tells whether Envoy terminated TLS for the stream's connection.
///
/// `connection.tls_version` is the "TLS version of the downstream TLS connection"; without TLS
/// there is no such [attribute].
///
/// [attribute]: https://www.envoyproxy.io/docs/envoy/latest/intro/arch_overview/advanced/attributes
pub(crate) fn is_tls() -> bool {
    matches!(
        hostcalls::get_property(vec!["connection", "tls_version"]),
        Ok(Some(version)) if !version.is_empty()
    )
}

/// The cluster that Envoy chose for the stream.
pub(crate) fn routed_cluster() -> Option<String> {
    let name = hostcalls::get_property(vec!["xds", "cluster_name"]).ok()??;
    String::from_utf8(name).ok()
}

/// Sets the filter state `wasm.s3_envelope`, for access logs; only where the stream's head or body
/// is at hand.
pub(crate) fn set_filter_state(text: &str) -> Result<(), Error> {
    hostcalls::set_property(vec!["s3_envelope"], Some(text.as_bytes()))
        .map_err(host("set_property"))
}

/// The head of a request or response, as received.
pub(crate) fn head(side: Side) -> Result<Pairs, Error> {
    let pairs = hostcalls::get_map_bytes(head_map(side)).map_err(host("get_map"))?;
    Ok(pairs
        .into_iter()
        .map(|(name, value)| (name.into_bytes(), value))
        .collect())
}

/// Replaces the head by these pseudo-header fields and these fields.
pub(crate) fn set_head(
    side: Side,
    pseudo: &[(&str, &[u8])],
    headers: &Headers,
) -> Result<(), Error> {
    let fields = headers
        .iter()
        .map(|field| (field.name.as_str(), field.value.as_slice()));
    let pairs: Vec<_> = pseudo.iter().copied().chain(fields).collect();
    if pairs
        .iter()
        .any(|(_, value)| value.iter().any(|byte| b"\0\r\n".contains(byte)))
    {
        return Err(Error::FieldValue);
    }
    hostcalls::set_map_bytes(head_map(side), pairs).map_err(host("set_map"))
}

/// Removes all trailers.
pub(crate) fn drop_trailers(side: Side) -> Result<(), Error> {
    let map = match side {
        Side::Request => MapType::HttpRequestTrailers,
        Side::Response => MapType::HttpResponseTrailers,
    };
    hostcalls::set_map_bytes(map, Vec::new()).map_err(host("set_map"))
}

/// The piece of a body, of `size` bytes, that a callback is about.
pub(crate) fn body(side: Side, size: usize) -> Result<Vec<u8>, Error> {
    if size == 0 {
        return Ok(Vec::new());
    }
    let bytes = hostcalls::get_buffer(body_buffer(side), 0, size).map_err(host("get_buffer"))?;
    Ok(bytes.unwrap_or_default())
}

/// Replaces the piece of a body, of `size` bytes, that a callback is about.
pub(crate) fn set_body(side: Side, size: usize, bytes: &[u8]) -> Result<(), Error> {
    if size == 0 && bytes.is_empty() {
        return Ok(());
    }
    hostcalls::set_buffer(body_buffer(side), 0, size, bytes).map_err(host("set_buffer"))
}

/// Goes on with a head that was held back.
pub(crate) fn resume(side: Side) -> Result<(), Error> {
    match side {
        Side::Request => hostcalls::resume_http_request(),
        Side::Response => hostcalls::resume_http_response(),
    }
    .map_err(host("resume"))
}

/// Resets the stream.
pub(crate) fn reset(side: Side) -> Result<(), Error> {
    match side {
        Side::Request => hostcalls::reset_http_request(),
        Side::Response => hostcalls::reset_http_response(),
    }
    .map_err(host("reset"))
}

/// Answers the client.
pub(crate) fn send(reply: &Reply) -> Result<(), Error> {
    let headers = reply
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let body = Some(reply.body.as_slice()).filter(|body| !body.is_empty());
    hostcalls::send_http_response(reply.status.into(), headers, body)
        .map_err(host("send_http_response"))
}

/// Sends a callout to `cluster`; the number that comes back names its reply.
pub(crate) fn dispatch(cluster: &str, callout: &Callout) -> Result<u32, Error> {
    let head = &callout.head;
    let mut headers = vec![
        (":method", head.method.as_str()),
        (":path", head.target.as_str()),
        (":authority", head.authority.as_str()),
    ];
    for field in head.headers.iter() {
        let value = str::from_utf8(&field.value).map_err(|_| Error::FieldValue)?;
        headers.push((&field.name, value));
    }
    if headers
        .iter()
        .any(|(_, value)| value.contains(['\0', '\r', '\n']))
    {
        return Err(Error::FieldValue);
    }
    let timeout = Duration::from_millis(callout.timeout_ms);
    hostcalls::dispatch_http_call(cluster, headers, Some(&callout.body), Vec::new(), timeout)
        .map_err(host("dispatch_http_call"))
}

/// The sizes that `on_http_call_response` is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplySizes {
    pub(crate) headers: usize,
    pub(crate) body: usize,
    pub(crate) trailers: usize,
}

/// The reply to a callout; only in `on_http_call_response`. A reply without a head stands for a
/// connection that was reset or a reply that was too large.
pub(crate) fn callout_reply(sizes: ReplySizes) -> CalloutReply {
    if sizes.headers == 0 {
        return CalloutReply::Failed;
    }
    let read = || {
        let head = hostcalls::get_map_bytes(MapType::HttpCallResponseHeaders).ok()?;
        let head = head
            .into_iter()
            .map(|(name, value)| (name.into_bytes(), value));
        let head = ResponseHead::from_pairs(head).ok()?;
        // The host has no map or buffer of what is not there.
        let body = match sizes.body {
            0 => Vec::new(),
            size => hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, size).ok()??,
        };
        let trailers = match sizes.trailers {
            0 => Headers::new(),
            _ => hostcalls::get_map_bytes(MapType::HttpCallResponseTrailers)
                .ok()?
                .into_iter()
                .collect(),
        };
        Some(CalloutReply::Response {
            head,
            body: body.into(),
            trailers,
        })
    };
    read().unwrap_or(CalloutReply::Failed)
}

/// Defines a counter; the host makes a new one of the same name each time.
pub(crate) fn define_counter(name: &str) -> Result<u32, Error> {
    hostcalls::define_metric(MetricType::Counter, name).map_err(host("define_metric"))
}

/// Adds to a counter.
pub(crate) fn increment(counter: u32, by: u64) -> Result<(), Error> {
    match i64::try_from(by).unwrap_or(i64::MAX) {
        // The host takes this for an error.
        0 => Ok(()),
        by => hostcalls::increment_metric(counter, by).map_err(host("increment_metric")),
    }
}

fn host(call: &'static str) -> impl Fn(Status) -> Error {
    move |status| Error::Host(call, status)
}

fn head_map(side: Side) -> MapType {
    match side {
        Side::Request => MapType::HttpRequestHeaders,
        Side::Response => MapType::HttpResponseHeaders,
    }
}

fn body_buffer(side: Side) -> BufferType {
    match side {
        Side::Request => BufferType::HttpRequestBody,
        Side::Response => BufferType::HttpResponseBody,
    }
}
