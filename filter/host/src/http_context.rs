//! A stream: each callback calls one method of its [`Exchange`] and ends in one host action.
//!
//! | the core says | head | body, trailers | reply to a callout, key settled |
//! |---|---|---|---|
//! | go on | `Continue` | `Continue` | resume |
//! | wait | `Pause`: Envoy holds the body back by flow control | `Pause`, the piece dropped | – |
//! | reply | local reply, `Pause` | local reply, `Pause`, the piece dropped | local reply |
//! | reset | reset, `Pause` | reset, `Pause`, the piece dropped | – |
//!
//! `Pause` from a body callback means "buffer the piece and stop" to Envoy, which is a trap while a
//! body streams: the buffer is shown again, grows to a limit and can't be replaced safely. Here it
//! is returned only after the buffer has been emptied and when no further byte of the body will
//! ever go on: the stream is being answered or reset, or it is the end of a body of which nothing
//! was forwarded ([`BodyAction::Call`]). There `Continue` would hand the end of the stream to the
//! upstream request, which announces a byte that never comes; `Pause` keeps it open, unfinished,
//! until the local reply resets it.
//!
//! A local reply during the request runs through this filter's response callbacks, one during the
//! response does not ([`Fate`]).

use std::cell::RefCell;
use std::rc::{Rc, Weak};
use std::task::Poll;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use s3_envelope::callout::CalloutReply;
use s3_envelope::error::Fault;
use s3_envelope::exchange::{BodyAction, Exchange, HeadAction, Reply, Resumption, Summary, Wait};
use s3_envelope::head::{RequestHead, ResponseHead};
use s3_envelope::key_cache::{KeyName, Lookup};
use s3_envelope::s3_error::{ErrorCode, S3Error};

use crate::Worker;
use crate::hostcalls::{self, Error, ReplySizes, Side};
use crate::metrics::Labels;

/// What the SDK calls back on.
#[derive(Debug)]
pub(crate) struct HttpStream {
    worker: Option<Rc<RefCell<Worker>>>,
    stream: Rc<RefCell<Stream>>,
}

impl HttpStream {
    /// The stream `context_id`; without a worker, every request is refused.
    pub(crate) fn new(context_id: u32, worker: Option<Rc<RefCell<Worker>>>) -> Self {
        let exchange = worker.as_ref().and_then(|worker| match hostcalls::seed() {
            Ok(seed) => Some(Exchange::new(Rc::clone(&worker.borrow().config), seed)),
            Err(error) => {
                log::error!("{error:?}");
                None
            }
        });
        let stream = Rc::new_cyclic(|this| {
            RefCell::new(Stream {
                context_id,
                this: Weak::clone(this),
                exchange,
                fate: Fate::Open,
                response: Response::Awaited,
                waiting: Waiting::Nothing,
                kept: Vec::new(),
                failure: None,
            })
        });
        Self { worker, stream }
    }

    /// Calls `action`; what goes wrong on the host's side ends the stream.
    fn with(
        &self,
        action: impl FnOnce(&mut Stream, &mut Worker) -> Result<Action, Error>,
    ) -> Action {
        let mut stream = self.stream.borrow_mut();
        let result = match &self.worker {
            Some(worker) => action(&mut stream, &mut worker.borrow_mut()),
            None => Err(Error::NotReady),
        };
        result.unwrap_or_else(|error| stream.fail(error))
    }
}

impl Context for HttpStream {
    fn on_http_call_response(&mut self, token: u32, headers: usize, body: usize, trailers: usize) {
        if let Some(worker) = &self.worker {
            worker.borrow_mut().on_reply(
                token,
                ReplySizes {
                    headers,
                    body,
                    trailers,
                },
            );
        }
    }

    fn on_done(&mut self) -> bool {
        let summary = self.stream.borrow().summary();
        // Where a filter before this one answered, there was no exchange to count.
        if summary.operation.is_some() || summary.error.is_some() {
            match summary.fault {
                // The root context has said what the key service does.
                None | Some(Fault::Client | Fault::KeyService) => {}
                Some(Fault::Store | Fault::Filter) => {
                    log::warn!(
                        "{}",
                        Labels {
                            summary: &summary,
                            separator: ' '
                        }
                    );
                }
            }
            if let Some(worker) = &self.worker {
                worker.borrow_mut().metrics.count(&summary);
            }
        }
        true
    }
}

impl HttpContext for HttpStream {
    fn on_http_request_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.with(|stream, worker| stream.request_head(worker, end_of_stream))
    }

    fn on_http_request_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|stream, worker| stream.body(worker, Side::Request, size, end_of_stream))
    }

    fn on_http_request_trailers(&mut self, _: usize) -> Action {
        self.with(|stream, worker| stream.trailers(worker, Side::Request))
    }

    fn on_http_response_headers(&mut self, _: usize, end_of_stream: bool) -> Action {
        self.with(|stream, worker| stream.response_head(worker, end_of_stream))
    }

    fn on_http_response_body(&mut self, size: usize, end_of_stream: bool) -> Action {
        self.with(|stream, worker| stream.body(worker, Side::Response, size, end_of_stream))
    }

    fn on_http_response_trailers(&mut self, _: usize) -> Action {
        self.with(|stream, worker| stream.trailers(worker, Side::Response))
    }
}

/// An exchange, and what has become of its stream.
#[derive(Debug)]
pub(crate) struct Stream {
    context_id: u32,
    this: Weak<RefCell<Self>>,
    /// `None` where there is no configuration or were no random bytes.
    exchange: Option<Exchange>,
    fate: Fate,
    response: Response,
    waiting: Waiting,
    /// The fields of the request that are Envoy's own.
    kept: Vec<(String, Vec<u8>)>,
    /// Why the stream can't go on, where the exchange does not know.
    failure: Option<(&'static str, Fault)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    /// The exchange decides.
    Open,
    /// It was answered before a response came: the answer passes.
    Answered,
    /// It was reset, or answered in place of a response: nothing passes.
    Dead,
}

/// Where the response's head is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Response {
    Awaited,
    /// The filter has it.
    Held,
    /// It is on its way to the client: a second answer is impossible.
    Out,
}

/// What the root context's next look is for.
#[derive(Debug)]
enum Waiting {
    Nothing,
    Key(KeyName),
    /// A callout could not be sent; the exchange hears of it outside the callback that wanted it.
    FailedCall,
}

impl Stream {
    /// Goes on where what the stream waited for in the root context has come.
    pub(crate) fn settle(&mut self, worker: &mut Worker) -> Poll<()> {
        let now = hostcalls::now();
        let waiting = std::mem::replace(&mut self.waiting, Waiting::Nothing);
        let (Fate::Open, Some(exchange)) = (self.fate, &mut self.exchange) else {
            return Poll::Ready(());
        };
        let resumption = match waiting {
            Waiting::Nothing => return Poll::Ready(()),
            Waiting::FailedCall => exchange.callout_reply(CalloutReply::Failed),
            Waiting::Key(name) => match worker.keys.lookup(&name, now) {
                Lookup::Pending => {
                    self.waiting = Waiting::Key(name);
                    return Poll::Pending;
                }
                Lookup::Ready(_) | Lookup::Unavailable => {
                    exchange.key_settled(&mut worker.keys, now)
                }
            },
        };
        self.resume(worker, resumption);
        Poll::Ready(())
    }

    /// Goes on with the reply to the stream's callout.
    pub(crate) fn on_callout_reply(&mut self, worker: &mut Worker, reply: CalloutReply) {
        if let (Fate::Open, Some(exchange)) = (self.fate, &mut self.exchange) {
            let resumption = exchange.callout_reply(reply);
            self.resume(worker, resumption);
        }
    }

    fn request_head(&mut self, worker: &mut Worker, end_of_stream: bool) -> Result<Action, Error> {
        let pairs = hostcalls::head(Side::Request)?;
        self.kept = pairs
            .iter()
            .filter_map(|(name, value)| {
                let name = KEPT.iter().find(|kept| kept.as_bytes() == name)?;
                Some(((*name).to_owned(), value.clone()))
            })
            .collect();
        let exchange = self.exchange.as_mut().ok_or(Error::NotReady)?;
        let Ok(head) = RequestHead::from_pairs(pairs) else {
            let reply = exchange.invalid_request_head();
            return self.reply(&reply);
        };
        let now = hostcalls::now();
        match exchange.request_head(
            head,
            end_of_stream,
            hostcalls::is_tls(),
            &mut worker.keys,
            now,
        ) {
            HeadAction::Pass => Ok(Action::Continue),
            HeadAction::Forward(head) => self.set_request_head(&head).map(|()| Action::Continue),
            HeadAction::Await(wait) => self.wait(worker, wait),
            HeadAction::Reply(reply) => self.reply(&reply),
            HeadAction::Reset => self.reset(Side::Request),
        }
    }

    fn response_head(&mut self, worker: &mut Worker, end_of_stream: bool) -> Result<Action, Error> {
        match self.fate {
            Fate::Open => {}
            Fate::Answered => return Ok(Action::Continue),
            Fate::Dead => return Ok(Action::Pause),
        }
        self.response = Response::Held;
        // An answer of Envoy's own may come while the request's head still waits; it never goes on.
        self.waiting = Waiting::Nothing;
        let head = hostcalls::head(Side::Response)?;
        let head = ResponseHead::from_pairs(head).map_err(|_| Error::InvalidHead)?;
        let exchange = self.exchange.as_mut().ok_or(Error::NotReady)?;
        match exchange.response_head(head, end_of_stream, &mut worker.keys, hostcalls::now()) {
            HeadAction::Pass => {
                self.publish();
                self.response = Response::Out;
                Ok(Action::Continue)
            }
            HeadAction::Forward(head) => self.set_response_head(&head).map(|()| Action::Continue),
            HeadAction::Await(wait) => self.wait(worker, wait),
            HeadAction::Reply(reply) => self.reply(&reply),
            HeadAction::Reset => self.reset(Side::Response),
        }
    }

    fn body(
        &mut self,
        worker: &mut Worker,
        side: Side,
        size: usize,
        end_of_stream: bool,
    ) -> Result<Action, Error> {
        match (self.fate, side) {
            (Fate::Open, _) => {}
            (Fate::Answered, Side::Response) => return Ok(Action::Continue),
            (Fate::Answered, Side::Request) | (Fate::Dead, _) => {
                hostcalls::set_body(side, size, &[])?;
                return Ok(Action::Pause);
            }
        }
        let piece = hostcalls::body(side, size)?;
        let exchange = self.exchange.as_mut().ok_or(Error::NotReady)?;
        let mut out = Vec::new();
        let action = match side {
            Side::Request => {
                exchange.request_body(&piece, end_of_stream, &mut out, hostcalls::now())
            }
            Side::Response => exchange.response_body(&piece, end_of_stream, &mut out),
        };
        match &action {
            BodyAction::Keep => {}
            BodyAction::Replace => hostcalls::set_body(side, size, &out)?,
            BodyAction::Call(_) | BodyAction::Reply(_) | BodyAction::Reset => {
                hostcalls::set_body(side, size, &[])?;
            }
        }
        self.after_body(worker, side, action)
    }

    fn trailers(&mut self, worker: &mut Worker, side: Side) -> Result<Action, Error> {
        match (self.fate, side) {
            (Fate::Open, _) => {}
            (Fate::Answered, Side::Response) => return Ok(Action::Continue),
            (Fate::Answered, Side::Request) | (Fate::Dead, _) => return Ok(Action::Pause),
        }
        // The core knows nothing of trailers but that they end a body.
        hostcalls::drop_trailers(side)?;
        let exchange = self.exchange.as_mut().ok_or(Error::NotReady)?;
        let action = match side {
            Side::Request => exchange.request_trailers(),
            Side::Response => exchange.response_trailers(),
        };
        self.after_body(worker, side, action)
    }

    fn after_body(
        &mut self,
        worker: &mut Worker,
        side: Side,
        action: BodyAction,
    ) -> Result<Action, Error> {
        match action {
            BodyAction::Keep | BodyAction::Replace => Ok(Action::Continue),
            BodyAction::Call(callout) => self.wait(worker, Wait::Callout(callout)),
            BodyAction::Reply(reply) => self.reply(&reply),
            BodyAction::Reset => self.reset(side),
        }
    }

    fn wait(&mut self, worker: &mut Worker, wait: Wait) -> Result<Action, Error> {
        match wait {
            Wait::Key(name) => {
                self.waiting = Waiting::Key(name);
                worker.add_waiter(Weak::clone(&self.this));
            }
            Wait::Callout(callout) => {
                if let Err(error) = worker.call(&callout, Weak::clone(&self.this)) {
                    log::error!("callout to {:?}: {error:?}", callout.target);
                    self.waiting = Waiting::FailedCall;
                    worker.add_waiter(Weak::clone(&self.this));
                }
            }
            Wait::CalloutInFlight => {}
        }
        Ok(Action::Pause)
    }

    /// Does what the exchange says outside the stream's own callbacks.
    fn resume(&mut self, worker: &mut Worker, resumption: Resumption) {
        let result =
            hostcalls::set_effective_context(self.context_id).and_then(|()| match resumption {
                Resumption::Request(head) => {
                    self.set_request_head(&head)?;
                    hostcalls::resume(Side::Request)
                }
                Resumption::Response(head) => {
                    self.set_response_head(&head)?;
                    hostcalls::resume(Side::Response)
                }
                Resumption::Await(wait) => self.wait(worker, wait).map(|_| ()),
                Resumption::Reply(reply) => self.reply(&reply).map(|_| ()),
                Resumption::Nothing => Ok(()),
            });
        if let Err(error) = result {
            self.fail(error);
        }
    }

    fn set_request_head(&self, head: &RequestHead) -> Result<(), Error> {
        let mut pseudo = vec![
            (":method", head.method.as_bytes()),
            (":path", head.target.as_bytes()),
            (":authority", head.authority.as_bytes()),
        ];
        for (name, value) in &self.kept {
            if !head.headers.contains(name) {
                pseudo.push((name, value));
            }
        }
        hostcalls::set_head(Side::Request, &pseudo, &head.headers)
    }

    fn set_response_head(&mut self, head: &ResponseHead) -> Result<(), Error> {
        self.publish();
        let status = head.status.to_string();
        hostcalls::set_head(
            Side::Response,
            &[(":status", status.as_bytes())],
            &head.headers,
        )?;
        self.response = Response::Out;
        Ok(())
    }

    fn reply(&mut self, reply: &Reply) -> Result<Action, Error> {
        self.fate = match self.response {
            Response::Awaited => Fate::Answered,
            Response::Held | Response::Out => Fate::Dead,
        };
        self.publish();
        hostcalls::send(reply)?;
        Ok(Action::Pause)
    }

    fn reset(&mut self, side: Side) -> Result<Action, Error> {
        self.fate = Fate::Dead;
        self.publish();
        hostcalls::reset(side)?;
        Ok(Action::Pause)
    }

    /// Ends a stream that can't go on for a reason on the host's side.
    fn fail(&mut self, error: Error) -> Action {
        // Anybody can send a head that is none, and as often as they like.
        if error == Error::InvalidHead && self.response == Response::Awaited {
            self.failure = Some(("invalid_head", Fault::Client));
        } else {
            log::error!("the stream can't go on: {error:?}");
            self.failure = Some(("host_failure", Fault::Filter));
        }
        let result = match (self.fate, self.response) {
            (Fate::Open, Response::Awaited | Response::Held) => {
                let error = S3Error::new(ErrorCode::InternalError);
                self.reply(&Reply {
                    status: error.status(),
                    headers: vec![("content-type".to_owned(), "application/xml".to_owned())],
                    body: error.to_xml("", "").into_bytes(),
                })
            }
            (Fate::Open, Response::Out) => self.reset(Side::Response),
            // Whatever else could be done has been tried.
            (Fate::Answered | Fate::Dead, _) => Ok(Action::Pause),
        };
        result.unwrap_or(Action::Pause)
    }

    /// Tells the access log what has become of the exchange so far.
    fn publish(&self) {
        let summary = self.summary();
        let labels = Labels {
            summary: &summary,
            separator: ' ',
        };
        // What is told to a log must not decide what becomes of a stream.
        if let Err(error) = hostcalls::set_filter_state(&labels.to_string()) {
            log::warn!("{error:?}");
        }
    }

    fn summary(&self) -> Summary {
        let mut summary = self
            .exchange
            .as_ref()
            .map(Exchange::summary)
            .cloned()
            .unwrap_or_default();
        if let (Some((name, fault)), None) = (self.failure, summary.error) {
            summary.error = Some(name);
            summary.fault = Some(fault);
        }
        summary
    }
}

/// What an upstream request keeps beside what the core gives it: the scheme, which chooses nothing
/// at a store but is part of every request in HTTP/2; the protocol that the client came by, without
/// which Envoy finds no route for the new head; and the id by which Envoy's logs name the request.
const KEPT: [&str; 3] = [":scheme", "x-forwarded-proto", "x-request-id"];
