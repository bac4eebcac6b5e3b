//! One HTTP exchange: what the filter does with a request and its response.
//!
//! A host calls one method for each of its callbacks and carries out the action that comes back;
//! it decides nothing. Only a head may wait ([`Wait`]), because only there does Envoy hold the
//! body back by flow control; a body callback always goes on.
//!
//! ```text
//! request_head ─► classify ─► authenticate ─► authorise ─┬─► object upload   (exchange::upload)
//!                                                        ├─► object download (exchange::download)
//!                                                        ├─► forwarded       (exchange::forward)
//!                                                        └─► refused
//!
//! request   Head ─► AwaitKey ─► Upload ─────────► Done
//!             │                                    ▲
//!             ├──► Ignore (no body is expected) ───┤
//!             ├──► Forward (a body that is no object's)
//!             └──► Collect (the framing of an empty object), then a callout
//!
//! response  Head ─► AwaitKey ─► Download ───────► Done
//!             │                                    ▲
//!             ├──► Empty, Relay, Listing, Failure ─┤
//!             ├──► AwaitProbe (whose fault is a 401 or 403?)
//!             └──► Callout (the store's answer comes by callout) ─► Done
//! ```
//!
//! An error is final: the client gets one S3 error document or, once the response's head is out, a
//! reset stream; every later call does nothing.

mod collect;
mod download;
mod failure;
mod forward;
mod intake;
mod response;
mod upload;
mod upstream;

use std::rc::Rc;

use crate::callout::{Callout, CalloutReply};
use crate::checksum::Checksum;
use crate::config::{BucketClass, Client, Config, Encryption, Scope, UnsignedPayload};
use crate::envelope;
use crate::error::{Error, Fault};
use crate::head::{RequestHead, ResponseHead};
use crate::key_cache::{KeyCache, KeyName};
use crate::key_wrap::Binding;
use crate::operation::{self, Operation, Permission, StoreAddressing};
use crate::s3_error::S3Error;
use crate::sigv4::{self, Authorization, Payload, Verified};
use crate::time::UnixTime;
use crate::uri::Query;

use collect::Collected;
use download::{Download, DownloadPlan};
use failure::{Dropped, Failure, Probe};
use forward::Forwarding;
use upload::{Upload, UploadPlan};

/// One HTTP exchange.
#[derive(Debug)]
pub struct Exchange {
    config: Rc<Config>,
    /// `None` once an object has been sealed with it.
    seed: Option<Seed>,
    identity: Identity,
    request: RequestState,
    response: ResponseState,
    /// The verified checksum of a payload that did not stream.
    collected_checksum: Option<Checksum>,
    summary: Summary,
}

/// Random bytes for one exchange, drawn by the host.
#[derive(zeroize::ZeroizeOnDrop)]
pub struct Seed {
    /// Becomes the data key of the object that the exchange writes, if it writes one.
    pub data_key: [u8; 32],
    /// The salt of the segments' nonces.
    pub part_salt: [u8; 8],
    /// The request id that the client sees in answers of the filter's own.
    pub request_id: [u8; 8],
}

impl core::fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("Seed")
    }
}

/// What the host does after a head.
#[derive(Debug)]
pub enum HeadAction<H> {
    /// Goes on with the head as it is.
    Pass,
    /// Goes on with this head in its place.
    Forward(H),
    /// Holds head and body back until the exchange is resumed.
    Await(Wait),
    /// Answers the client.
    Reply(Reply),
    /// Resets the stream.
    Reset,
}

/// What a held head waits for.
#[derive(Debug)]
pub enum Wait {
    /// A KEK: the host calls [`Exchange::key_settled`] when the cache has an answer.
    Key(KeyName),
    /// The reply to this callout: the host sends it and calls [`Exchange::callout_reply`].
    Callout(Box<Callout>),
    /// A callout that is in flight already.
    CalloutInFlight,
}

/// What the host does after a piece of a body.
#[derive(Debug)]
pub enum BodyAction {
    /// Goes on with the piece as it is.
    Keep,
    /// Goes on with the bytes in `out` in its place.
    Replace,
    /// Drops the piece, holds the stream's end back, and sends the callout.
    Call(Box<Callout>),
    /// Answers the client; the request is reset upstream.
    Reply(Reply),
    /// Resets the stream.
    Reset,
}

/// What the host does when what a head waited for has come.
#[derive(Debug)]
pub enum Resumption {
    /// Goes on with the request.
    Request(RequestHead),
    /// Goes on with the response.
    Response(ResponseHead),
    /// Waits for something else.
    Await(Wait),
    /// Answers the client.
    Reply(Reply),
    /// Nothing: nothing waited.
    Nothing,
}

/// An answer of the filter's own.
#[derive(Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What is worth counting and logging of an exchange. It holds no secrets and no plaintext.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// The S3 operation, once it is known.
    pub operation: Option<Operation>,
    /// The client's access key id, once its signature has verified.
    pub access_key_id: Option<String>,
    /// The error, where there was one.
    pub error: Option<&'static str>,
    /// Whose fault it was.
    pub fault: Option<Fault>,
    /// Plaintext bytes that were sealed.
    pub sealed_bytes: u64,
    /// Plaintext bytes that were opened and released.
    pub opened_bytes: u64,
}

/// Who is asking, for what: what an error document shows.
#[derive(Debug, Default)]
struct Identity {
    request_id: String,
    resource: String,
    is_head: bool,
}

#[derive(Debug)]
enum RequestState {
    /// Nothing has been seen.
    Head,
    /// A PutObject waits for its KEK.
    AwaitKey(Box<UploadPlan>),
    /// The body of a PutObject.
    Upload(Box<Upload>),
    /// A body that nobody expects; it is not forwarded.
    Ignore,
    /// A body that goes through, but for its last byte.
    Forward(Box<Forwarding>),
    /// A body that must be whole before the real request is sent.
    Collect(Box<Collected>),
    /// The body has been dealt with.
    Done,
}

#[derive(Debug)]
enum ResponseState {
    /// No response yet; what is to be done with a good one.
    Head(ResponsePlan),
    /// An object waits for its KEK.
    AwaitKey(Box<DownloadPlan>),
    /// A refusal waits for the answer to whose fault it is.
    AwaitProbe(Box<Probe>),
    /// The response to be given comes by callout, not from upstream.
    Callout(ResponsePlan),
    /// An object's body.
    Download(Box<Download>),
    /// A body that is dropped.
    Empty(Dropped),
    /// A body that goes through.
    Relay,
    /// A listing, read as a whole and rewritten.
    Listing(Vec<u8>),
    /// The body of an error, read for its code and replaced.
    Failure(Box<Failure>),
    /// The filter answered for itself, or the stream was reset.
    Done,
}

/// What to do with a good response.
#[derive(Debug)]
enum ResponsePlan {
    /// There is no request yet.
    Nothing,
    /// An object's head or body.
    Object(Box<download::Expected>),
    /// The result of a PutObject.
    Stored(upload::Expected),
    /// What the store says, its fields filtered.
    Relay(Operation),
    /// A listing of objects, whose sizes and ETags become the client's.
    Listing(Operation),
}

/// The object that a request names, as its data key is bound to it.
#[derive(Clone, Debug)]
struct ObjectName {
    binding: Binding,
    logical_bucket: String,
    object_key: String,
}

impl ObjectName {
    fn new(request: &operation::Request, encryption: &Encryption) -> Self {
        let bucket = request.bucket.clone().unwrap_or_default();
        Self {
            binding: encryption.binding,
            logical_bucket: encryption.logical_name.clone().unwrap_or(bucket),
            object_key: request.object_key.clone().unwrap_or_default(),
        }
    }
}

impl<'a> From<&'a ObjectName> for envelope::Name<'a> {
    fn from(name: &'a ObjectName) -> Self {
        Self {
            binding: name.binding,
            bucket: &name.logical_bucket,
            object_key: &name.object_key,
        }
    }
}

/// A request that may be served.
struct Admitted<'a> {
    request: operation::Request,
    verified: Verified,
    encryption: Option<&'a Encryption>,
}

impl Exchange {
    /// An exchange under `config`; `seed` must be fresh random bytes.
    pub fn new(config: Rc<Config>, seed: Seed) -> Self {
        let identity = Identity {
            request_id: hex::encode_upper(seed.request_id),
            ..Identity::default()
        };
        Self {
            config,
            seed: Some(seed),
            identity,
            request: RequestState::Head,
            response: ResponseState::Head(ResponsePlan::Nothing),
            collected_checksum: None,
            summary: Summary::default(),
        }
    }

    /// Takes the request's head. `tls` tells whether Envoy terminated TLS on the connection.
    pub fn request_head(
        &mut self,
        head: RequestHead,
        end_of_stream: bool,
        tls: bool,
        keys: &mut KeyCache,
        now: UnixTime,
    ) -> HeadAction<RequestHead> {
        self.identity.resource = head.path().to_owned();
        self.identity.is_head = head.method == "HEAD";
        match self.try_request_head(&head, end_of_stream, tls, keys, now) {
            Ok(action) => action,
            Err(error) => HeadAction::Reply(self.refuse(&error)),
        }
    }

    /// Answers a request whose head is not HTTP.
    pub fn invalid_request_head(&mut self) -> Reply {
        self.refuse(&Error::InvalidHead)
    }

    /// Takes a piece of the request's body; what replaces it is appended to `out`.
    pub fn request_body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        out: &mut Vec<u8>,
        now: UnixTime,
    ) -> BodyAction {
        let result = match &mut self.request {
            RequestState::Upload(upload) => upload
                .body(piece, end_of_stream, out)
                .map(|()| BodyAction::Replace),
            RequestState::Forward(forwarding) => forwarding
                .body(piece, end_of_stream, out)
                .map(|()| BodyAction::Replace),
            RequestState::Collect(collected) => match collected.body(piece, end_of_stream) {
                Ok(Some(checksum)) => self.call_for_collected(checksum, now),
                Ok(None) => Ok(BodyAction::Replace),
                Err(error) => Err(error),
            },
            RequestState::Ignore | RequestState::Done => Ok(BodyAction::Replace),
            RequestState::Head | RequestState::AwaitKey(_) => Err(Error::OutOfOrder),
        };
        if let RequestState::Upload(upload) = &self.request {
            self.summary.sealed_bytes = upload.sealed_bytes();
        }
        result.unwrap_or_else(|error| {
            out.clear();
            self.fail_body(&error)
        })
    }

    /// Takes the request's trailers, which end it without a last piece of the body.
    pub fn request_trailers(&mut self) -> BodyAction {
        let complete = match &self.request {
            RequestState::Upload(upload) => upload.is_complete(),
            RequestState::Ignore | RequestState::Done => true,
            RequestState::Head
            | RequestState::AwaitKey(_)
            | RequestState::Forward(_)
            | RequestState::Collect(_) => false,
        };
        if complete {
            BodyAction::Keep
        } else {
            self.fail_body(&Error::Trailers)
        }
    }

    /// Takes the response's head.
    pub fn response_head(
        &mut self,
        head: ResponseHead,
        end_of_stream: bool,
        keys: &mut KeyCache,
        now: UnixTime,
    ) -> HeadAction<ResponseHead> {
        let plan = match core::mem::replace(&mut self.response, ResponseState::Done) {
            ResponseState::Head(plan) => plan,
            // Upstream's word on a request that was never to complete: the callout has the answer.
            ResponseState::Callout(plan) if matches!(self.request, RequestState::Done) => {
                self.response = ResponseState::Callout(plan);
                return HeadAction::Await(Wait::CalloutInFlight);
            }
            // It came before the body was whole, and Envoy now drops the rest of the body.
            ResponseState::Callout(plan) => plan,
            ResponseState::Done => return HeadAction::Pass,
            ResponseState::AwaitKey(_)
            | ResponseState::AwaitProbe(_)
            | ResponseState::Download(_)
            | ResponseState::Empty(_)
            | ResponseState::Relay
            | ResponseState::Listing(_)
            | ResponseState::Failure(_) => {
                return HeadAction::Reply(self.refuse(&Error::OutOfOrder));
            }
        };
        match self.try_response_head(plan, head, end_of_stream, keys, now) {
            Ok(action) => action,
            Err(error) => HeadAction::Reply(self.refuse(&error)),
        }
    }

    /// Takes a piece of the response's body; what replaces it is appended to `out`.
    pub fn response_body(
        &mut self,
        piece: &[u8],
        end_of_stream: bool,
        out: &mut Vec<u8>,
    ) -> BodyAction {
        let result = match &mut self.response {
            ResponseState::Download(download) => download
                .body(piece, end_of_stream, out)
                .map(|()| BodyAction::Replace),
            ResponseState::Empty(dropped) => dropped.add(piece).map(|()| BodyAction::Replace),
            ResponseState::Failure(failure) => failure
                .body(piece, end_of_stream, &self.identity, out)
                .map(|()| BodyAction::Replace),
            ResponseState::Relay => Ok(BodyAction::Keep),
            ResponseState::Listing(document) => {
                response::listing(document, piece, end_of_stream, out).map(|()| BodyAction::Replace)
            }
            ResponseState::Done => Ok(BodyAction::Keep),
            ResponseState::Head(_)
            | ResponseState::AwaitKey(_)
            | ResponseState::AwaitProbe(_)
            | ResponseState::Callout(_) => Err(Error::OutOfOrder),
        };
        if let ResponseState::Download(download) = &self.response {
            self.summary.opened_bytes = download.released_bytes();
        }
        result.unwrap_or_else(|error| {
            self.record(&error);
            self.response = ResponseState::Done;
            BodyAction::Reset
        })
    }

    /// Takes the response's trailers, which end it without a last piece of the body.
    pub fn response_trailers(&mut self) -> BodyAction {
        let complete = match &self.response {
            ResponseState::Download(download) => download.is_complete(),
            ResponseState::Failure(_) | ResponseState::Listing(_) => false,
            ResponseState::Head(_)
            | ResponseState::AwaitKey(_)
            | ResponseState::AwaitProbe(_)
            | ResponseState::Callout(_)
            | ResponseState::Empty(_)
            | ResponseState::Relay
            | ResponseState::Done => true,
        };
        if complete {
            BodyAction::Keep
        } else {
            self.record(&Error::TruncatedResponse);
            self.response = ResponseState::Done;
            BodyAction::Reset
        }
    }

    /// Goes on after [`Wait::Key`]: the cache has the KEK, or knows that it can't be had.
    pub fn key_settled(&mut self, keys: &mut KeyCache, now: UnixTime) -> Resumption {
        match core::mem::replace(&mut self.request, RequestState::Done) {
            RequestState::AwaitKey(plan) => {
                return match self.start_upload(plan, keys, now) {
                    Ok(action) => self.resume(action, Resumption::Request),
                    Err(error) => Resumption::Reply(self.refuse(&error)),
                };
            }
            state @ (RequestState::Head
            | RequestState::Upload(_)
            | RequestState::Ignore
            | RequestState::Forward(_)
            | RequestState::Collect(_)
            | RequestState::Done) => self.request = state,
        }
        match core::mem::replace(&mut self.response, ResponseState::Done) {
            ResponseState::AwaitKey(plan) => match self.start_download(plan, keys, now) {
                Ok(action) => self.resume(action, Resumption::Response),
                Err(error) => Resumption::Reply(self.refuse(&error)),
            },
            state @ (ResponseState::Head(_)
            | ResponseState::AwaitProbe(_)
            | ResponseState::Callout(_)
            | ResponseState::Download(_)
            | ResponseState::Empty(_)
            | ResponseState::Relay
            | ResponseState::Listing(_)
            | ResponseState::Failure(_)
            | ResponseState::Done) => {
                self.response = state;
                Resumption::Nothing
            }
        }
    }

    /// Goes on after a callout.
    pub fn callout_reply(&mut self, reply: CalloutReply) -> Resumption {
        match core::mem::replace(&mut self.response, ResponseState::Done) {
            ResponseState::AwaitProbe(probe) => {
                if probe.blames_the_filter(&reply) {
                    return Resumption::Reply(self.refuse(&Error::StoreRefusesCredentials));
                }
                let action = self.pass_failure(probe.failure());
                self.resume(action, Resumption::Response)
            }
            ResponseState::Callout(plan) => match self.answer_callout(plan, reply) {
                Ok(reply) => Resumption::Reply(reply),
                Err(error) => Resumption::Reply(self.refuse(&error)),
            },
            state @ (ResponseState::Head(_)
            | ResponseState::AwaitKey(_)
            | ResponseState::Download(_)
            | ResponseState::Empty(_)
            | ResponseState::Relay
            | ResponseState::Listing(_)
            | ResponseState::Failure(_)
            | ResponseState::Done) => {
                self.response = state;
                Resumption::Nothing
            }
        }
    }

    /// What is worth counting and logging.
    pub fn summary(&self) -> &Summary {
        &self.summary
    }

    fn try_request_head(
        &mut self,
        head: &RequestHead,
        end_of_stream: bool,
        tls: bool,
        keys: &mut KeyCache,
        now: UnixTime,
    ) -> Result<HeadAction<RequestHead>, Error> {
        if !matches!(self.request, RequestState::Head) {
            return Err(Error::OutOfOrder);
        }
        let config = Rc::clone(&self.config);
        let Admitted {
            request,
            verified,
            encryption,
        } = self.admit(&config, head, tls, now)?;
        match (request.operation, encryption) {
            (Operation::PutObject, Some(encryption)) => {
                let plan = UploadPlan::new(request, verified, encryption, end_of_stream)?;
                self.start_upload(Box::new(plan), keys, now)
            }
            (Operation::GetObject | Operation::HeadObject, Some(encryption)) => {
                if matches!(
                    verified.payload,
                    Payload::StreamingSigned
                        | Payload::StreamingSignedTrailer
                        | Payload::StreamingUnsignedTrailer
                ) {
                    return Err(Error::StreamingNotAllowed);
                }
                let (head, expected) =
                    download::request(&config, &request, encryption, end_of_stream, now)?;
                self.request = RequestState::Ignore;
                self.response = ResponseState::Head(ResponsePlan::Object(Box::new(expected)));
                Ok(HeadAction::Forward(head))
            }
            (operation, _) if forward::is_supported(operation) => {
                let (head, forwarding) =
                    Forwarding::new(&config, &request, verified, end_of_stream, now)?;
                self.request = match forwarding {
                    Some(forwarding) => RequestState::Forward(Box::new(forwarding)),
                    None => RequestState::Ignore,
                };
                self.response = ResponseState::Head(if operation.lists_objects() {
                    ResponsePlan::Listing(operation)
                } else {
                    ResponsePlan::Relay(operation)
                });
                Ok(HeadAction::Forward(head))
            }
            (_, _) => Err(Error::NotImplemented(request.operation)),
        }
    }

    /// Classifies, authenticates and authorises.
    fn admit<'a>(
        &mut self,
        config: &'a Config,
        head: &RequestHead,
        tls: bool,
        now: UnixTime,
    ) -> Result<Admitted<'a>, Error> {
        let bytes = head.headers.iter().fold(head.target.len(), |sum, field| {
            sum.saturating_add(field.name.len())
                .saturating_add(field.value.len())
        });
        if head.headers.len() > config.limits.max_header_count
            || bytes > config.limits.max_header_bytes
        {
            return Err(Error::HeadTooLarge {
                maximum: config.limits.max_header_bytes,
            });
        }
        let request = operation::classify(head, &config.addressing)?;
        if config.store.addressing == StoreAddressing::VirtualHost {
            request.check_virtual_host()?;
        }
        self.summary.operation = Some(request.operation);
        if request.operation == Operation::Options {
            return Err(Error::CorsDisabled);
        }
        let query = Query::parse(head.raw_query())?;
        let authorization = Authorization::from_request(head, &query)?.ok_or(Error::Anonymous)?;
        let client = config
            .client(authorization.access_key_id())
            .ok_or(Error::UnknownAccessKeyId)?;
        let verified = authorization
            .verify(head, &query, &client.credentials, &config.regions, now)
            .map_err(|error| {
                if error != sigv4::Error::HeadersNotSigned {
                    return Error::Signature(error);
                }
                let names = authorization.headers_not_signed(head);
                Error::HeadersNotSigned {
                    names: names.into_iter().map(str::to_owned).collect(),
                }
            })?;
        self.summary.access_key_id = Some(client.credentials.access_key_id.clone());
        if matches!(
            verified.payload,
            Payload::Unsigned | Payload::StreamingUnsignedTrailer
        ) {
            let allowed = match config.unsigned_payload {
                UnsignedPayload::Always => true,
                UnsignedPayload::Tls => tls,
                UnsignedPayload::Never => false,
            };
            if !allowed && request.operation.expects_body() {
                return Err(Error::UnsignedPayload);
            }
        }
        let encryption = authorise(config, client, &request)?;
        Ok(Admitted {
            request,
            verified,
            encryption,
        })
    }

    fn try_response_head(
        &mut self,
        plan: ResponsePlan,
        head: ResponseHead,
        end_of_stream: bool,
        keys: &mut KeyCache,
        now: UnixTime,
    ) -> Result<HeadAction<ResponseHead>, Error> {
        if !response::is_good(head.status, &plan) {
            if let ResponsePlan::Object(expected) = &plan
                && let Some(answer) = expected.without_object(&head)?
            {
                return Ok(HeadAction::Reply(self.answer(answer)));
            }
            return self.store_failure(&head, end_of_stream, now);
        }
        match plan {
            ResponsePlan::Nothing => Ok(HeadAction::Pass),
            ResponsePlan::Object(expected) => {
                let plan = DownloadPlan::new(*expected, head, end_of_stream)?;
                self.start_download(Box::new(plan), keys, now)
            }
            ResponsePlan::Stored(expected) => {
                let checksum = match &self.request {
                    RequestState::Upload(upload) if upload.is_complete() => upload.checksum(),
                    RequestState::Ignore => self.collected_checksum.as_ref(),
                    // The store claims to have an object that it has not been sent.
                    RequestState::Upload(_)
                    | RequestState::Head
                    | RequestState::AwaitKey(_)
                    | RequestState::Forward(_)
                    | RequestState::Collect(_)
                    | RequestState::Done => return Err(Error::StoreMisbehaves),
                };
                let head = expected.response(&self.config, &head, checksum)?;
                self.response = ResponseState::Empty(Dropped::default());
                Ok(HeadAction::Forward(head))
            }
            ResponsePlan::Relay(operation) => {
                self.response = ResponseState::Relay;
                Ok(HeadAction::Forward(response::relayed(operation, &head)))
            }
            ResponsePlan::Listing(_) if end_of_stream => Err(Error::StoreMisbehaves),
            ResponsePlan::Listing(operation) => {
                let mut head = response::relayed(operation, &head);
                head.headers.remove("content-length");
                head.headers.remove("content-encoding");
                head.headers.set("content-type", "application/xml");
                self.response = ResponseState::Listing(Vec::new());
                Ok(HeadAction::Forward(head))
            }
        }
    }

    /// Turns a response of the store that is not a good one into what the client may see of it.
    fn store_failure(
        &mut self,
        head: &ResponseHead,
        end_of_stream: bool,
        now: UnixTime,
    ) -> Result<HeadAction<ResponseHead>, Error> {
        // No condition that it could be an answer to has been sent.
        if head.status == 304 {
            return Err(Error::StoreMisbehaves);
        }
        let failure = Failure::new(head, end_of_stream || self.identity.is_head);
        if failure.may_be_about_credentials() {
            let callout = failure::probe_request(&self.config, now)?;
            self.response = ResponseState::AwaitProbe(Box::new(Probe::new(failure)));
            return Ok(HeadAction::Await(Wait::Callout(Box::new(callout))));
        }
        Ok(self.pass_failure(failure))
    }

    fn pass_failure(&mut self, failure: Failure) -> HeadAction<ResponseHead> {
        if failure.is_without_body() {
            return HeadAction::Reply(self.fail_with(&failure.without_code()));
        }
        let head = failure.head(&self.identity);
        self.note_store_failure(head.status);
        self.response = ResponseState::Failure(Box::new(failure));
        HeadAction::Forward(head)
    }

    fn call_for_collected(
        &mut self,
        checksum: Checksum,
        now: UnixTime,
    ) -> Result<BodyAction, Error> {
        self.collected_checksum = Some(checksum);
        match core::mem::replace(&mut self.request, RequestState::Done) {
            RequestState::Collect(collected) => {
                let callout = collected.callout(&self.config, now)?;
                Ok(BodyAction::Call(Box::new(callout)))
            }
            RequestState::Head
            | RequestState::AwaitKey(_)
            | RequestState::Upload(_)
            | RequestState::Ignore
            | RequestState::Forward(_)
            | RequestState::Done => Err(Error::OutOfOrder),
        }
    }

    /// What a head action is to a head that waited.
    fn resume<H>(&mut self, action: HeadAction<H>, forward: fn(H) -> Resumption) -> Resumption {
        match action {
            HeadAction::Forward(head) => forward(head),
            HeadAction::Await(wait) => Resumption::Await(wait),
            HeadAction::Reply(reply) => Resumption::Reply(reply),
            HeadAction::Pass | HeadAction::Reset => {
                Resumption::Reply(self.refuse(&Error::OutOfOrder))
            }
        }
    }

    fn answer_callout(&mut self, plan: ResponsePlan, reply: CalloutReply) -> Result<Reply, Error> {
        let CalloutReply::Response { head, body, .. } = reply else {
            return Err(Error::StoreUnreachable);
        };
        if !response::is_good(head.status, &plan) {
            let mut failure = Failure::new(&head, body.is_empty());
            let error = failure.whole(&body);
            if failure.may_be_about_credentials() && failure.names_credentials() {
                return Err(Error::StoreRefusesCredentials);
            }
            return Ok(self.fail_with(&error));
        }
        match plan {
            ResponsePlan::Stored(expected) => {
                let checksum = self.collected_checksum.as_ref();
                let head = expected.response(&self.config, &head, checksum)?;
                Ok(response::reply(head))
            }
            ResponsePlan::Nothing
            | ResponsePlan::Object(_)
            | ResponsePlan::Relay(_)
            | ResponsePlan::Listing(_) => Err(Error::OutOfOrder),
        }
    }

    fn fail_body(&mut self, error: &Error) -> BodyAction {
        // Once the response's head is out, a second answer is impossible.
        let answered = match &self.response {
            ResponseState::Head(_)
            | ResponseState::AwaitKey(_)
            | ResponseState::AwaitProbe(_)
            | ResponseState::Callout(_) => false,
            ResponseState::Download(_)
            | ResponseState::Empty(_)
            | ResponseState::Relay
            | ResponseState::Listing(_)
            | ResponseState::Failure(_)
            | ResponseState::Done => true,
        };
        let reply = self.refuse(error);
        if answered {
            BodyAction::Reset
        } else {
            BodyAction::Reply(reply)
        }
    }

    /// Ends the exchange with an answer without body of the filter's own.
    fn answer(&mut self, head: ResponseHead) -> Reply {
        self.request = RequestState::Done;
        self.response = ResponseState::Done;
        response::reply(head)
    }

    /// Ends the exchange with an error of the filter's own.
    fn refuse(&mut self, error: &Error) -> Reply {
        self.record(error);
        self.request = RequestState::Done;
        self.response = ResponseState::Done;
        response::error_reply(&error.to_s3_error(&self.config), &self.identity)
    }

    fn fail_with(&mut self, error: &S3Error) -> Reply {
        self.note_store_failure(error.status());
        self.request = RequestState::Done;
        self.response = ResponseState::Done;
        response::error_reply(error, &self.identity)
    }

    fn record(&mut self, error: &Error) {
        self.summary.error = Some(error.name());
        self.summary.fault = Some(error.fault());
    }

    fn note_store_failure(&mut self, status: u16) {
        if status >= 500 {
            self.summary.error = Some("store_failure");
            self.summary.fault = Some(Fault::Store);
        }
    }
}

fn authorise<'a>(
    config: &'a Config,
    client: &Client,
    request: &operation::Request,
) -> Result<Option<&'a Encryption>, Error> {
    let bucket = request.bucket.as_deref();
    let scope = Scope::of(request);
    let needed = [
        Some(request.operation.permission()),
        request.asks_for_acl().then_some(Permission::Acl),
        request
            .asks_for_governance_bypass()
            .then_some(Permission::BucketAdmin),
    ];
    if !needed
        .into_iter()
        .flatten()
        .all(|permission| client.may(permission, scope))
    {
        return Err(Error::AccessDenied);
    }
    let Some(bucket) = bucket else {
        return Ok(None);
    };
    match config.bucket_rule(bucket).map(|rule| &rule.class) {
        Some(BucketClass::Encrypted(encryption)) => Ok(Some(encryption)),
        Some(BucketClass::Deny) | None => Err(Error::AccessDenied),
    }
}

impl<'a> Scope<'a> {
    /// What of a client's grants `request` has to be within.
    fn of(request: &'a operation::Request) -> Self {
        match (request.bucket.as_deref(), request.object_key.as_deref()) {
            (None, _) => Self::Service,
            (Some(bucket), Some(object_key)) => Self::Object { bucket, object_key },
            // As far as the names that it asks for.
            (Some(bucket), None) if request.operation.lists_objects() => Self::Listing {
                bucket,
                prefix: request.query.value("prefix").unwrap_or_default(),
            },
            // Every client asks for these before it does anything else.
            (Some(bucket), None)
                if matches!(
                    request.operation,
                    Operation::HeadBucket | Operation::GetBucketLocation
                ) =>
            {
                Self::BucketExistence { bucket }
            }
            (Some(bucket), None) => Self::Bucket { bucket },
        }
    }
}
