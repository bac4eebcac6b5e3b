//! The module that Envoy loads: hands what proxy-wasm calls back with to the sans-IO core, and
//! carries out what the core answers. It decides nothing about S3.
//!
//! ```text
//! lib           entry, root context: configuration; [`Worker`]: keys and callouts of one worker
//! http_context  callback -> one method of `Exchange` -> one host action
//! hostcalls     the SDK's calls
//! metrics       counters
//! ```
//!
//! A worker's streams share its KEKs, and a call to a key service outlives the stream that needs
//! it. So the root context makes these calls: a stream that waits for a KEK asks for a tick at
//! once, and is resumed from the root context, when the call's reply has come or failed, as the
//! "effective context".

mod hostcalls;
mod http_context;
mod metrics;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};
use std::time::Duration;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel};
use s3_envelope::callout::{Callout, CalloutReply, CalloutTarget};
use s3_envelope::config::{Config, KeyService};
use s3_envelope::key_cache::{KeyCache, KeyName};
use s3_envelope::key_service;

use crate::hostcalls::{Error, ReplySizes};
use crate::http_context::{HttpStream, Stream};
use crate::metrics::Metrics;

mod entry {
    use super::{LogLevel, Root};

    proxy_wasm::main! {{
        // Also installs a panic hook that writes to Envoy's log, as critical, before the VM is lost.
        proxy_wasm::set_log_level(LogLevel::Info);
        proxy_wasm::set_root_context(|_| Box::new(Root::default()));
    }}
}

/// The root context: one for each worker's VM, and a few more that see no requests.
#[derive(Debug, Default)]
struct Root {
    /// `None` until there is a valid configuration.
    worker: Option<Rc<RefCell<Worker>>>,
}

impl Context for Root {
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
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        let json = match hostcalls::configuration(size) {
            Ok(json) => json,
            Err(error) => {
                log::error!("the plugin's configuration can't be read: {error:?}");
                return false;
            }
        };
        match Config::parse(&json, |name| std::env::var(name).ok()) {
            Ok(config) => {
                for (name, service) in &config.key_services {
                    if matches!(service, KeyService::Static(_)) {
                        log::warn!("{STATIC_WARNING} (key service {name})");
                    }
                }
                let mut worker = Worker::new(config);
                worker.on_tick();
                self.worker = Some(Rc::new(RefCell::new(worker)));
                true
            }
            Err(error) => {
                log::error!("{error}");
                false
            }
        }
    }

    fn on_tick(&mut self) {
        if let Some(worker) = &self.worker {
            worker.borrow_mut().on_tick();
        }
    }

    fn create_http_context(&self, context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(HttpStream::new(context_id, self.worker.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// What the streams of one worker share.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) config: Rc<Config>,
    pub(crate) keys: KeyCache,
    pub(crate) metrics: Metrics,
    /// Callouts that have not been replied to.
    calls: BTreeMap<u32, Call>,
    /// Streams that the next tick or key is to look at.
    waiters: Vec<Weak<RefCell<Stream>>>,
    tick_period: Duration,
}

/// Who is waiting for the reply to a callout.
#[derive(Debug)]
enum Call {
    Key(KeyName),
    /// Dead where the stream is gone.
    Stream(Weak<RefCell<Stream>>),
}

impl Worker {
    fn new(config: Config) -> Self {
        Self {
            keys: KeyCache::new(&config),
            config: Rc::new(config),
            metrics: Metrics::default(),
            calls: BTreeMap::new(),
            waiters: Vec::new(),
            tick_period: Duration::ZERO,
        }
    }

    /// Looks at `waiter` again when its key may have settled, and in any case at once.
    pub(crate) fn add_waiter(&mut self, waiter: Weak<RefCell<Stream>>) {
        self.waiters.push(waiter);
        self.tick_every(AT_ONCE);
    }

    /// Sends a callout of the stream that is the effective context.
    pub(crate) fn call(
        &mut self,
        callout: &Callout,
        stream: Weak<RefCell<Stream>>,
    ) -> Result<(), Error> {
        let token = match &callout.target {
            CalloutTarget::Cluster(name) => hostcalls::dispatch(name, callout)?,
            CalloutTarget::RoutedCluster => {
                let name = hostcalls::routed_cluster().ok_or(Error::NotReady)?;
                hostcalls::dispatch(&name, callout)?
            }
        };
        self.calls.insert(token, Call::Stream(stream));
        Ok(())
    }

    /// Takes the reply to a callout, whichever context it was sent from.
    pub(crate) fn on_reply(&mut self, token: u32, sizes: ReplySizes) {
        let Some(call) = self.calls.remove(&token) else {
            return;
        };
        let reply = hostcalls::callout_reply(sizes);
        match call {
            Call::Key(name) => {
                self.key_reply(&name, &reply);
                self.settle();
            }
            Call::Stream(stream) => {
                if let Some(stream) = stream.upgrade() {
                    stream.borrow_mut().on_callout_reply(self, reply);
                }
            }
        }
    }

    /// Fetches the KEKs that are due, and resumes the streams that have nothing left to wait for,
    /// be it that a reply was lost.
    fn on_tick(&mut self) {
        self.tick_every(TICK);
        self.calls.retain(|_, call| match call {
            Call::Key(_) => true,
            // The SDK drops a reply whose stream is gone.
            Call::Stream(stream) => stream.strong_count() > 0,
        });
        for name in self.keys.due(hostcalls::now()) {
            let Some(service) = self.keys.service(&name) else {
                continue;
            };
            let callout = key_service::constellation_request(service, &name.kek_id);
            match hostcalls::dispatch(&service.cluster, &callout) {
                Ok(token) => {
                    // An earlier call for the same KEK has lost its reply.
                    self.calls
                        .retain(|_, call| !matches!(call, Call::Key(key) if *key == name));
                    self.calls.insert(token, Call::Key(name));
                }
                Err(error) => {
                    log::error!("key service {}: can't be called: {error:?}", name.service);
                    self.key_reply(&name, &CalloutReply::Failed);
                }
            }
        }
        self.settle();
    }

    fn key_reply(&mut self, name: &KeyName, reply: &CalloutReply) {
        let kek = key_service::constellation_reply(reply);
        let (service, kek_id) = (&name.service, name.kek_id.as_str());
        match &kek {
            Ok(_) => log::info!("key service {service}: KEK {kek_id} fetched"),
            Err(error) => log::error!("key service {service}: KEK {kek_id}: {error}"),
        }
        self.keys.reply(name, kek, hostcalls::now());
    }

    fn settle(&mut self) {
        for waiter in std::mem::take(&mut self.waiters) {
            if let Some(stream) = waiter.upgrade()
                && stream.borrow_mut().settle(self).is_pending()
            {
                self.waiters.push(waiter);
            }
        }
    }

    fn tick_every(&mut self, period: Duration) {
        if self.tick_period == period {
            return;
        }
        match hostcalls::set_tick_period(period) {
            Ok(()) => self.tick_period = period,
            Err(error) => log::error!("{error:?}"),
        }
    }
}

const TICK: Duration = Duration::from_secs(1);
const AT_ONCE: Duration = Duration::from_millis(1);
const STATIC_WARNING: &str = "DEVELOPMENT ONLY: a static KEK stands in the configuration, \
    where everybody who reads the configuration reads the objects; use a key service";
