//! The KEKs that one worker holds, and when each is to be fetched again.
//!
//! ```text
//!            due()            reply(key)
//!   Absent ────────► InFlight ──────────► Fresh ──ttl──► due() ► Fresh + InFlight ──► Fresh
//!     ▲                 │ reply(error), or the call's deadline     │ error: retried with back-off,
//!     │                 ▼                                          │ used until ttl + grace
//!     └─back-off── Unavailable ◄──────────── expiry ───────────────┘
//! ```
//!
//! The cache does not call anybody: [`KeyCache::due`] says which calls are to be made now, and
//! [`KeyCache::reply`] takes what came of one. Requests that need a key that is in flight wait for
//! the one call. KEKs are zeroised when they expire or are replaced.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::config::{BucketClass, CalloutService, Config, KeyService};
use crate::key_service;
use crate::key_wrap::{Kek, KekId};
use crate::time::UnixTime;

/// The KEKs of one worker.
#[derive(Debug)]
pub struct KeyCache {
    entries: BTreeMap<KeyName, Entry>,
}

impl KeyCache {
    /// A cache for the key rings of `config`, of which each KEK that a key service hands out is
    /// due at once.
    pub fn new(config: &Config) -> Self {
        let mut entries = BTreeMap::new();
        for rule in &config.buckets {
            let encryption = match &rule.class {
                BucketClass::Encrypted(encryption) => encryption,
                BucketClass::Deny => continue,
            };
            let ring = &encryption.key_ring;
            let Some(service) = config.key_services.get(&ring.service) else {
                continue;
            };
            for kek_id in &ring.readable {
                let name = KeyName {
                    service: ring.service.clone(),
                    kek_id: kek_id.clone(),
                };
                entries.entry(name).or_insert_with(|| match service {
                    KeyService::Constellation(service) => Entry::absent(service.clone()),
                    KeyService::Static(_) => Entry::permanent(static_kek(service, kek_id)),
                });
            }
        }
        Self { entries }
    }

    /// Looks a KEK up.
    pub fn lookup(&mut self, name: &KeyName, now: UnixTime) -> Lookup {
        let Some(entry) = self.entries.get_mut(name) else {
            return Lookup::Unavailable;
        };
        entry.expire(now);
        match (&entry.kek, entry.call) {
            (Some(held), _) => Lookup::Ready(Rc::clone(&held.kek)),
            (None, Call::InFlight { .. }) => Lookup::Pending,
            (None, Call::NotBefore(at)) if at <= now => Lookup::Pending,
            (None, Call::NotBefore(_) | Call::Never) => Lookup::Unavailable,
        }
    }

    /// The KEKs to be asked for now; each counts as in flight from here on.
    pub fn due(&mut self, now: UnixTime) -> Vec<KeyName> {
        let mut due = Vec::new();
        for (name, entry) in &mut self.entries {
            entry.expire(now);
            let Some(service) = &entry.service else {
                continue;
            };
            if let Call::NotBefore(at) = entry.call
                && at <= now
            {
                // The host's own time-out comes first; this one only guards against a lost reply.
                let seconds = service
                    .timeout_ms
                    .div_ceil(1000)
                    .saturating_add(LOST_REPLY_SECONDS);
                entry.call = Call::InFlight {
                    deadline: now.saturating_add(seconds),
                };
                due.push(name.clone());
            }
        }
        due
    }

    /// The service to ask for the KEK `name`.
    pub fn service(&self, name: &KeyName) -> Option<&CalloutService> {
        self.entries.get(name)?.service.as_ref()
    }

    /// Takes what came of a call.
    pub fn reply(&mut self, name: &KeyName, reply: Result<Kek, key_service::Error>, now: UnixTime) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let Some(service) = &entry.service else {
            return;
        };
        match reply {
            Ok(kek) => {
                entry.failures = 0;
                entry.call = Call::NotBefore(now.saturating_add(service.ttl_seconds));
                entry.kek = Some(Held {
                    kek: Rc::new(kek),
                    expires: Some(
                        now.saturating_add(service.ttl_seconds)
                            .saturating_add(service.grace_seconds),
                    ),
                });
            }
            Err(error) => {
                // The service answers and says no: the KEK is revoked, not the service down.
                if error.is_refusal() {
                    entry.kek = None;
                }
                entry.fail(now);
            }
        }
    }
}

/// Which KEK, of which key service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyName {
    /// The key service's name in the configuration.
    pub service: String,
    /// The KEK's id.
    pub kek_id: KekId,
}

/// What the cache knows of a KEK.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// Here it is.
    Ready(Rc<Kek>),
    /// A call for it is, or is about to be, in flight: wait.
    Pending,
    /// It could not be had a moment ago, or is in no key ring.
    Unavailable,
}

#[derive(Debug)]
struct Entry {
    /// `None` for a KEK from the configuration.
    service: Option<CalloutService>,
    kek: Option<Held>,
    call: Call,
    /// Failed calls in a row.
    failures: u32,
}

#[derive(Debug)]
struct Held {
    kek: Rc<Kek>,
    /// `None`: never.
    expires: Option<UnixTime>,
}

#[derive(Clone, Copy, Debug)]
enum Call {
    Never,
    NotBefore(UnixTime),
    InFlight { deadline: UnixTime },
}

impl Entry {
    fn absent(service: CalloutService) -> Self {
        Self {
            service: Some(service),
            kek: None,
            call: Call::NotBefore(UnixTime::EPOCH),
            failures: 0,
        }
    }

    fn permanent(kek: Option<Kek>) -> Self {
        Self {
            service: None,
            kek: kek.map(|kek| Held {
                kek: Rc::new(kek),
                expires: None,
            }),
            call: Call::Never,
            failures: 0,
        }
    }

    /// Drops a KEK whose time is over, and gives up a call whose reply is lost.
    fn expire(&mut self, now: UnixTime) {
        if let Some(Held {
            expires: Some(expires),
            ..
        }) = self.kek
            && expires <= now
        {
            self.kek = None;
        }
        if let Call::InFlight { deadline } = self.call
            && deadline <= now
        {
            self.fail(now);
        }
    }

    fn fail(&mut self, now: UnixTime) {
        let seconds = 1_u64
            .checked_shl(self.failures)
            .unwrap_or(MAX_BACK_OFF_SECONDS)
            .min(MAX_BACK_OFF_SECONDS);
        self.failures = self.failures.saturating_add(1);
        self.call = Call::NotBefore(now.saturating_add(seconds));
    }
}

fn static_kek(service: &KeyService, kek_id: &KekId) -> Option<Kek> {
    match service {
        KeyService::Static(keks) => keks.get(kek_id).map(Kek::duplicate),
        KeyService::Constellation(_) => None,
    }
}

const LOST_REPLY_SECONDS: u64 = 2;
const MAX_BACK_OFF_SECONDS: u64 = 16;
