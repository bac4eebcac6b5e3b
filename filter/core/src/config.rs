//! The filter's configuration: JSON in, checked values out.
//!
//! Everything invalid dies here, with a message that names the field and the remedy; behind
//! [`Config::parse`] there is nothing left to check. Unknown fields are errors. A secret is given
//! as text or, better, as `{"env": "NAME"}`, the name of an environment variable.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::key_wrap::{Binding, Kek, KekId};
use crate::operation::{Addressing, Permission, StoreAddressing};
use crate::sigv4::{Credentials, SecretAccessKey, SessionToken};

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The host names under which clients reach the filter.
    pub addressing: Addressing,
    /// The regions that a client's credential scope may name; the first one is the filter's own.
    pub regions: Vec<String>,
    /// The S3 store behind the filter.
    pub store: Store,
    /// Who may use the filter, and for what.
    pub clients: Vec<Client>,
    /// Where a client may leave its payload unsigned.
    pub unsigned_payload: UnsignedPayload,
    /// What is done with each bucket; the first rule that matches decides.
    pub buckets: Vec<BucketRule>,
    /// The key services, by name.
    pub key_services: BTreeMap<String, KeyService>,
    /// Whether `PutObject` answers carry `x-amz-server-side-encryption: aws:kms`, which keeps
    /// clients from comparing the ETag with the plaintext's MD5.
    pub sse_hint: bool,
    /// Bounds on what a client may send.
    pub limits: Limits,
}

impl Config {
    /// Parses and checks a configuration; `environment` looks an environment variable up.
    ///
    /// # Errors
    ///
    /// [`Error`], which names the field and says what is wrong with it.
    pub fn parse(json: &[u8], environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let mut deserializer = serde_json::Deserializer::from_slice(json);
        let raw: RawConfig =
            serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
                let field = error.path().to_string();
                Error::new(field, without_value(&error.into_inner().to_string()))
            })?;
        deserializer
            .end()
            .map_err(|error| Error::new("", error.to_string()))?;
        Checker {
            environment: &environment,
        }
        .config(raw)
    }

    /// The rule for `bucket`, where one matches (CLS-13: none means access denied).
    pub fn bucket_rule(&self, bucket: &str) -> Option<&BucketRule> {
        self.buckets.iter().find(|rule| rule.name.matches(bucket))
    }

    /// The client that owns `access_key_id`.
    pub fn client(&self, access_key_id: &str) -> Option<&Client> {
        self.clients
            .iter()
            .find(|client| client.credentials.access_key_id == access_key_id)
    }

    /// The filter's own region.
    pub fn region(&self) -> &str {
        self.regions.first().map_or("", String::as_str)
    }
}

/// The S3 store behind the filter.
#[derive(Debug)]
pub struct Store {
    /// The `Host` that the store expects, port included where it is not the scheme's own.
    pub host: String,
    /// How the store wants its buckets addressed.
    pub addressing: StoreAddressing,
    /// The store's region, for the credential scope.
    pub region: String,
    /// Who signs what goes to the store.
    pub signing: Signing,
    /// How the store checks the integrity of what it receives (§4.7 of the S3 rules).
    pub payload_integrity: PayloadIntegrity,
    /// The Envoy cluster for the filter's own requests; the routed one where it is not named.
    pub cluster: Option<String>,
    /// Whether new objects carry a sealed digest of their system and user metadata, and whether a
    /// differing one is refused on reads.
    pub metadata_digest: bool,
    /// How long one of the filter's own requests to the store may take, in milliseconds.
    pub timeout_ms: u64,
}

/// Who signs the requests to the store.
#[derive(Debug)]
pub enum Signing {
    /// The filter, with these credentials.
    Filter(Credentials),
    /// Envoy's `aws_request_signing`, as upstream filter of the store's cluster.
    Envoy,
}

/// How the integrity of the ciphertext on its way to the store is checked there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PayloadIntegrity {
    /// U1: `UNSIGNED-PAYLOAD`; TLS to the store protects it.
    Unsigned,
    /// U2: `STREAMING-UNSIGNED-PAYLOAD-TRAILER` with a CRC-32C of the ciphertext.
    Trailer,
}

/// Where a client may leave its payload unsigned (AUT-12).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnsignedPayload {
    /// Only on connections that Envoy terminated TLS for.
    #[default]
    Tls,
    /// On every connection.
    Always,
    /// Nowhere.
    Never,
}

/// A client of the filter.
#[derive(Debug)]
pub struct Client {
    /// What it signs its requests with.
    pub credentials: Credentials,
    /// What it may do.
    pub permissions: Vec<Grant>,
}

impl Client {
    /// Tells whether the client may do what needs `permission` within `scope`.
    ///
    /// An operation on a whole bucket is within a grant for every key only, one on the service
    /// within a grant for every bucket and key only.
    pub fn may(&self, permission: Permission, scope: Scope<'_>) -> bool {
        self.permissions
            .iter()
            .any(|grant| grant.actions.contains(&permission) && grant.covers(scope))
    }
}

/// What an operation is about.
#[derive(Clone, Copy, Debug)]
pub enum Scope<'a> {
    /// All buckets.
    Service,
    /// Whether and where a bucket is.
    BucketExistence {
        /// Its name.
        bucket: &'a str,
    },
    /// The objects of a bucket whose keys start with a prefix.
    Listing {
        /// The bucket's name.
        bucket: &'a str,
        /// The prefix.
        prefix: &'a str,
    },
    /// A bucket and all that is in it.
    Bucket {
        /// Its name.
        bucket: &'a str,
    },
    /// An object.
    Object {
        /// The bucket's name.
        bucket: &'a str,
        /// The object key, decoded.
        object_key: &'a str,
    },
}

/// What a client may do where.
#[derive(Debug)]
pub struct Grant {
    /// The buckets; `*` stands for any run of characters.
    pub buckets: Vec<Pattern>,
    /// Patterns for whole object keys; a pattern without `*` is a prefix.
    pub prefixes: Vec<Pattern>,
    /// The actions.
    pub actions: Vec<Permission>,
}

impl Grant {
    fn covers(&self, scope: Scope<'_>) -> bool {
        let bucket = |bucket: &str| self.buckets.iter().any(|name| name.matches(bucket));
        let every_key = self.prefixes.iter().any(Pattern::is_everything);
        match scope {
            Scope::Service => every_key && self.buckets.iter().any(Pattern::is_everything),
            Scope::BucketExistence { bucket: name } => bucket(name),
            Scope::Bucket { bucket: name } => bucket(name) && every_key,
            Scope::Listing {
                bucket: name,
                prefix,
            } => bucket(name) && self.prefixes.iter().any(|pattern| pattern.covers(prefix)),
            // A store that resolves `..` would find another key than the one that was granted.
            Scope::Object {
                bucket: name,
                object_key,
            } if object_key
                .split('/')
                .any(|segment| matches!(segment, "." | "..")) =>
            {
                bucket(name) && every_key
            }
            Scope::Object {
                bucket: name,
                object_key,
            } => {
                bucket(name)
                    && self
                        .prefixes
                        .iter()
                        .any(|prefix| prefix.matches(object_key))
            }
        }
    }
}

/// What is done with the buckets of a name.
#[derive(Debug)]
pub struct BucketRule {
    /// The bucket's name; `*` stands for any run of characters.
    pub name: Pattern,
    /// What is done.
    pub class: BucketClass,
}

/// What is done with the objects of a bucket.
#[derive(Debug)]
pub enum BucketClass {
    /// They are encrypted; unencrypted ones are refused.
    Encrypted(Encryption),
    /// Every request is refused.
    Deny,
}

/// How the objects of a bucket are encrypted.
#[derive(Debug)]
pub struct Encryption {
    /// The name that the wrapped keys are bound to; the bucket's own where there is none.
    pub logical_name: Option<String>,
    /// What the wrapped keys are bound to.
    pub binding: Binding,
    /// The KEKs.
    pub key_ring: KeyRing,
}

/// The KEKs of a bucket.
#[derive(Clone, Debug)]
pub struct KeyRing {
    /// The KEK that wraps new data keys.
    pub active: KekId,
    /// The KEKs whose objects may be read; the active one is among them.
    pub readable: Vec<KekId>,
    /// The name of the key service that hands them out.
    pub service: String,
}

impl KeyRing {
    /// Tells whether objects under `kek_id` may be read.
    pub fn may_read(&self, kek_id: &KekId) -> bool {
        self.readable.contains(kek_id)
    }
}

/// A key service.
#[derive(Debug)]
pub enum KeyService {
    /// Constellation's KeyService, over gRPC.
    Constellation(CalloutService),
    /// KEKs in the configuration: for development.
    Static(BTreeMap<KekId, Kek>),
}

/// A key service behind an Envoy cluster.
#[derive(Clone, Debug)]
pub struct CalloutService {
    /// The Envoy cluster.
    pub cluster: String,
    /// The `:authority` of the calls.
    pub authority: String,
    /// How long a call may take, in milliseconds.
    pub timeout_ms: u64,
    /// How long a KEK is used before it is asked for again, in seconds.
    pub ttl_seconds: u64,
    /// How long past `ttl_seconds` a KEK is still used while the service does not answer.
    pub grace_seconds: u64,
}

/// Bounds on what a client may send.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most bytes of a request body that is no object's, such as a bucket's configuration.
    pub max_buffered_body: usize,
    /// The most fields of a request head.
    pub max_header_count: usize,
    /// The most bytes of a request head's names and values.
    pub max_header_bytes: usize,
}

/// Text in which `*` stands for any run of characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pieces: Vec<String>,
}

impl Pattern {
    /// Reads a pattern.
    pub fn new(text: &str) -> Self {
        Self {
            pieces: text.split('*').map(str::to_owned).collect(),
        }
    }

    /// A pattern for keys that start with `text`.
    fn prefix(text: &str) -> Self {
        if text.contains('*') {
            Self::new(text)
        } else {
            Self::new(&format!("{text}*"))
        }
    }

    /// Tells whether every text that starts with `prefix` fits.
    pub fn covers(&self, prefix: &str) -> bool {
        match self.pieces.as_slice() {
            [start, end] => end.is_empty() && prefix.starts_with(start.as_str()),
            [] | [_] | [_, _, _, ..] => self.is_everything(),
        }
    }

    /// Tells whether every text fits.
    pub fn is_everything(&self) -> bool {
        self.pieces.len() > 1 && self.pieces.iter().all(String::is_empty)
    }

    /// Tells whether `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let Some((first, rest)) = self.pieces.split_first() else {
            return text.is_empty();
        };
        let Some(mut text) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some((last, middle)) = rest.split_last() else {
            return text.is_empty();
        };
        for piece in middle {
            match text.split_once(piece.as_str()) {
                Some((_, behind)) => text = behind,
                None => return false,
            }
        }
        text.ends_with(last.as_str())
    }
}

/// A configuration that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration field `{field}`: {problem}")]
pub struct Error {
    /// The path of the field, such as `clients[0].secret_access_key`.
    pub field: String,
    /// What is wrong with it, and what to do.
    pub problem: String,
}

impl Error {
    fn new(field: impl Into<String>, problem: impl Into<String>) -> Self {
        let field = field.into();
        Self {
            field: if field.is_empty() {
                ".".to_owned()
            } else {
                field
            },
            problem: problem.into(),
        }
    }
}

/// Turns what the JSON says into what the filter uses.
struct Checker<'a> {
    environment: &'a dyn Fn(&str) -> Option<String>,
}

impl Checker<'_> {
    fn config(&self, raw: RawConfig) -> Result<Config, Error> {
        let key_services = raw
            .key_services
            .into_iter()
            .map(|(name, service)| {
                let service = self.key_service(&format!("key_services.{name}"), service)?;
                Ok((name, service))
            })
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let key_rings = raw
            .key_rings
            .into_iter()
            .map(|(name, ring)| {
                let ring = key_ring(&format!("key_rings.{name}"), ring, &key_services)?;
                Ok((name, ring))
            })
            .collect::<Result<BTreeMap<_, _>, Error>>()?;
        let addressing = endpoints(raw.endpoints)?;
        let regions = non_empty(
            "regions",
            raw.regions,
            "name at least one region, such as `us-east-1`",
        )?;
        let store = self.store(raw.store)?;
        let clients = non_empty(
            "clients",
            raw.clients,
            "name at least one client, or nobody can use the filter",
        )?
        .into_iter()
        .enumerate()
        .map(|(index, client)| self.client(&format!("clients[{index}]"), client))
        .collect::<Result<Vec<_>, Error>>()?;
        for (index, client) in clients.iter().enumerate() {
            let earlier = clients.iter().take(index);
            let access_key_id = &client.credentials.access_key_id;
            if earlier
                .clone()
                .any(|other| &other.credentials.access_key_id == access_key_id)
            {
                return Err(Error::new(
                    format!("clients[{index}].access_key_id"),
                    "another client has the same access key id; give each its own",
                ));
            }
        }
        let buckets = non_empty(
            "buckets",
            raw.buckets,
            "name at least one bucket; `{\"name\": \"*\", \"class\": \"encrypted\", \"key_ring\": …}` stands for all",
        )?
        .into_iter()
        .enumerate()
        .map(|(index, rule)| bucket_rule(&format!("buckets[{index}]"), rule, &key_rings))
        .collect::<Result<Vec<_>, Error>>()?;
        Ok(Config {
            addressing,
            regions,
            store,
            clients,
            unsigned_payload: raw.unsigned_payload,
            buckets,
            key_services,
            sse_hint: raw.sse_hint,
            limits: limits(&raw.limits)?,
        })
    }

    fn store(&self, raw: RawStore) -> Result<Store, Error> {
        let host = non_blank("store.host", raw.host)?;
        if !host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte))
        {
            return Err(Error::new(
                "store.host",
                "give a host name and, where needed, a port, such as `s3.eu-central-1.amazonaws.com`; no scheme, no path",
            ));
        }
        let signing = match (raw.signing, raw.access_key_id, raw.secret_access_key) {
            (RawSigning::Filter, Some(access_key_id), Some(secret_access_key)) => Signing::Filter(
                self.credentials("store", access_key_id, secret_access_key, raw.session_token)?,
            ),
            (RawSigning::Filter, None, _) => {
                return Err(Error::new(
                    "store.access_key_id",
                    "missing; `signing: filter` needs the store's credentials, or choose `signing: envoy`",
                ));
            }
            (RawSigning::Filter, Some(_), None) => {
                return Err(Error::new(
                    "store.secret_access_key",
                    "missing; `signing: filter` needs the store's credentials, or choose `signing: envoy`",
                ));
            }
            (RawSigning::Envoy, None, None) if raw.session_token.is_none() => Signing::Envoy,
            (RawSigning::Envoy, _, _) => {
                return Err(Error::new(
                    "store.signing",
                    "`envoy` takes the credentials from Envoy's aws_request_signing; remove them here",
                ));
            }
        };
        if matches!(signing, Signing::Envoy) && raw.payload_integrity == PayloadIntegrity::Trailer {
            return Err(Error::new(
                "store.payload_integrity",
                "`trailer` needs `signing: filter`; Envoy signs UNSIGNED-PAYLOAD only",
            ));
        }
        Ok(Store {
            host,
            addressing: raw.addressing,
            region: non_blank("store.region", raw.region)?,
            signing,
            payload_integrity: raw.payload_integrity,
            cluster: raw
                .cluster
                .map(|cluster| non_blank("store.cluster", cluster))
                .transpose()?,
            metadata_digest: raw.metadata_digest,
            timeout_ms: timeout("store.timeout_ms", raw.timeout_ms)?,
        })
    }

    fn client(&self, field: &str, raw: RawClient) -> Result<Client, Error> {
        let permissions = non_empty(
            &format!("{field}.permissions"),
            raw.permissions,
            "grant something, or remove the client",
        )?;
        Ok(Client {
            credentials: self.credentials(
                field,
                raw.access_key_id,
                raw.secret_access_key,
                raw.session_token,
            )?,
            permissions: permissions.into_iter().map(grant).collect(),
        })
    }

    fn credentials(
        &self,
        field: &str,
        access_key_id: Secret,
        secret_access_key: Secret,
        session_token: Option<Secret>,
    ) -> Result<Credentials, Error> {
        let access_key_id = self.secret(&format!("{field}.access_key_id"), access_key_id)?;
        if !access_key_id
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'/' && byte != b',')
        {
            return Err(Error::new(
                format!("{field}.access_key_id"),
                "must be printable ASCII without spaces, `/` and `,`",
            ));
        }
        let secret_access_key =
            self.secret(&format!("{field}.secret_access_key"), secret_access_key)?;
        let session_token = session_token
            .map(|token| self.secret(&format!("{field}.session_token"), token))
            .transpose()?;
        Ok(Credentials {
            access_key_id,
            secret_access_key: SecretAccessKey::new(secret_access_key),
            session_token: session_token.map(SessionToken::new),
        })
    }

    fn key_service(&self, field: &str, raw: RawKeyService) -> Result<KeyService, Error> {
        match raw {
            RawKeyService::Constellation {
                cluster,
                authority,
                timeout_ms,
                ttl_seconds,
                grace_seconds,
            } => Ok(KeyService::Constellation(CalloutService {
                cluster: non_blank(&format!("{field}.cluster"), cluster)?,
                authority: non_blank(&format!("{field}.authority"), authority)?,
                timeout_ms: timeout(&format!("{field}.timeout_ms"), timeout_ms)?,
                ttl_seconds: positive(&format!("{field}.ttl_seconds"), ttl_seconds)?,
                grace_seconds,
            })),
            RawKeyService::Static { keks } => {
                let mut checked = BTreeMap::new();
                for (name, secret) in keks {
                    // An id and its KEK in each other's place must not end up in a log.
                    let kek_id = KekId::new(&name).map_err(|_| {
                        Error::new(
                            format!("{field}.keks"),
                            format!("a name of {} bytes is no KEK id: {KEK_ID_RULE}", name.len()),
                        )
                    })?;
                    let field = format!("{field}.keks.{name}");
                    let text = self.secret(&field, secret)?;
                    checked.insert(kek_id, static_kek(&field, &text)?);
                }
                Ok(KeyService::Static(checked))
            }
        }
    }

    fn secret(&self, field: &str, secret: Secret) -> Result<String, Error> {
        match secret {
            Secret::Text(text) => non_blank(field, text),
            Secret::Environment { env } => match (self.environment)(&env) {
                Some(text) if !text.is_empty() => Ok(text),
                Some(_) | None => Err(Error::new(
                    field,
                    format!(
                        "environment variable `{env}` is not set in the Wasm VM; list it in vm_config.environment_variables"
                    ),
                )),
            },
        }
    }
}

fn endpoints(raw: RawEndpoints) -> Result<Addressing, Error> {
    if raw.path_style.is_empty() && raw.virtual_host_suffixes.is_empty() {
        return Err(Error::new(
            "endpoints",
            "name the host names that clients use, in `path_style`, `virtual_host_suffixes` or both",
        ));
    }
    Ok(Addressing::new(raw.path_style, raw.virtual_host_suffixes))
}

fn grant(raw: RawGrant) -> Grant {
    Grant {
        buckets: raw.buckets.iter().map(|text| Pattern::new(text)).collect(),
        prefixes: raw
            .prefixes
            .iter()
            .map(|text| Pattern::prefix(text))
            .collect(),
        actions: raw.actions.into_iter().map(RawAction::permission).collect(),
    }
}

fn bucket_rule(
    field: &str,
    raw: RawBucketRule,
    key_rings: &BTreeMap<String, KeyRing>,
) -> Result<BucketRule, Error> {
    let name = Pattern::new(&non_blank(&format!("{field}.name"), raw.name)?);
    if let Some(logical_name) = &raw.logical_name {
        let field = format!("{field}.logical_name");
        if logical_name.is_empty() || logical_name.len() > 255 {
            return Err(Error::new(field, "must have 1 to 255 bytes"));
        }
        if name.pieces.len() > 1 {
            return Err(Error::new(
                field,
                "a rule for several buckets can't give them one name: the store could swap their objects",
            ));
        }
    }
    let class = match raw.class {
        RawClass::Deny => BucketClass::Deny,
        RawClass::Encrypted => {
            let ring = raw.key_ring.ok_or_else(|| {
                Error::new(
                    format!("{field}.key_ring"),
                    "missing; an encrypted bucket needs one of `key_rings`",
                )
            })?;
            BucketClass::Encrypted(Encryption {
                logical_name: raw.logical_name,
                binding: raw.binding.binding(),
                key_ring: key_rings.get(&ring).cloned().ok_or_else(|| {
                    Error::new(
                        format!("{field}.key_ring"),
                        format!("`{ring}` is not in `key_rings`"),
                    )
                })?,
            })
        }
    };
    Ok(BucketRule { name, class })
}

fn key_ring(
    field: &str,
    raw: RawKeyRing,
    services: &BTreeMap<String, KeyService>,
) -> Result<KeyRing, Error> {
    let service = services.get(&raw.service).ok_or_else(|| {
        Error::new(
            format!("{field}.service"),
            format!("`{}` is not in `key_services`", raw.service),
        )
    })?;
    let active = kek_id(&format!("{field}.active"), &raw.active)?;
    let mut readable = vec![active.clone()];
    for (index, text) in raw.readable.iter().enumerate() {
        let kek_id = kek_id(&format!("{field}.readable[{index}]"), text)?;
        if !readable.contains(&kek_id) {
            readable.push(kek_id);
        }
    }
    if let KeyService::Static(keks) = service {
        for kek_id in &readable {
            if !keks.contains_key(kek_id) {
                return Err(Error::new(
                    field,
                    format!(
                        "KEK `{}` is not among the keks of key service `{}`",
                        kek_id.as_str(),
                        raw.service
                    ),
                ));
            }
        }
    }
    Ok(KeyRing {
        active,
        readable,
        service: raw.service,
    })
}

fn limits(raw: &RawLimits) -> Result<Limits, Error> {
    let positive = |field: &str, value: u32| {
        usize::try_from(value)
            .ok()
            .filter(|&value| value > 0)
            .ok_or_else(|| Error::new(format!("limits.{field}"), "must be greater than 0"))
    };
    Ok(Limits {
        max_buffered_body: positive("max_buffered_body", raw.max_buffered_body)?,
        max_header_count: positive("max_header_count", raw.max_header_count)?,
        max_header_bytes: positive("max_header_bytes", raw.max_header_bytes)?,
    })
}

fn kek_id(field: &str, text: &str) -> Result<KekId, Error> {
    KekId::new(text).map_err(|_| Error::new(field, format!("`{text}` is no KEK id: {KEK_ID_RULE}")))
}

fn static_kek(field: &str, text: &str) -> Result<Kek, Error> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    let pairs = text.as_bytes().chunks_exact(2);
    let digits = text.len() == 64
        && pairs.remainder().is_empty()
        && bytes.iter_mut().zip(pairs).all(|(byte, pair)| {
            let text = core::str::from_utf8(pair).unwrap_or_default();
            match u8::from_str_radix(text, 16) {
                Ok(value) if pair.iter().all(u8::is_ascii_hexdigit) => {
                    *byte = value;
                    true
                }
                Ok(_) | Err(_) => false,
            }
        });
    if !digits {
        return Err(Error::new(
            field,
            "must be 64 hexadecimal digits, a KEK of 32 bytes (`openssl rand -hex 32`)",
        ));
    }
    Kek::new(*bytes).map_err(|_| {
        Error::new(
            field,
            "an all-zero KEK protects nothing; make one with `openssl rand -hex 32`",
        )
    })
}

fn non_empty<T>(field: &str, list: Vec<T>, remedy: &str) -> Result<Vec<T>, Error> {
    if list.is_empty() {
        return Err(Error::new(field, format!("empty; {remedy}")));
    }
    Ok(list)
}

fn non_blank(field: &str, text: String) -> Result<String, Error> {
    if text.trim().is_empty() {
        return Err(Error::new(field, "must not be empty"));
    }
    Ok(text)
}

/// A message of the JSON parser without the text that it quotes: a secret may stand in the wrong
/// place.
fn without_value(message: &str) -> String {
    match (message.find('"'), message.rfind('"')) {
        (Some(first), Some(last)) if first < last => {
            let before = message.get(..first).unwrap_or_default();
            let behind = message.get(last..).unwrap_or_default();
            format!("{before}\"…{behind}")
        }
        (Some(_) | None, _) => message.to_owned(),
    }
}

fn timeout(field: &str, milliseconds: u64) -> Result<u64, Error> {
    if milliseconds > MAX_TIMEOUT_MS {
        return Err(Error::new(field, "must be at most 3600000 (an hour)"));
    }
    positive(field, milliseconds)
}

fn positive(field: &str, value: u64) -> Result<u64, Error> {
    if value == 0 {
        return Err(Error::new(field, "must be greater than 0"));
    }
    Ok(value)
}

const KEK_ID_RULE: &str = "1 to 32 of A-Z a-z 0-9 . _ : / -";
const MAX_TIMEOUT_MS: u64 = 3_600_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfig {
    endpoints: RawEndpoints,
    regions: Vec<String>,
    store: RawStore,
    clients: Vec<RawClient>,
    #[serde(default)]
    unsigned_payload: UnsignedPayload,
    buckets: Vec<RawBucketRule>,
    key_rings: BTreeMap<String, RawKeyRing>,
    key_services: BTreeMap<String, RawKeyService>,
    #[serde(default = "yes")]
    sse_hint: bool,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEndpoints {
    #[serde(default)]
    path_style: Vec<String>,
    #[serde(default)]
    virtual_host_suffixes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStore {
    host: String,
    #[serde(default = "path_addressing")]
    addressing: StoreAddressing,
    region: String,
    signing: RawSigning,
    access_key_id: Option<Secret>,
    secret_access_key: Option<Secret>,
    session_token: Option<Secret>,
    #[serde(default = "unsigned")]
    payload_integrity: PayloadIntegrity,
    cluster: Option<String>,
    #[serde(default = "yes")]
    metadata_digest: bool,
    #[serde(default = "store_timeout_ms")]
    timeout_ms: u64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawSigning {
    Filter,
    Envoy,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClient {
    access_key_id: Secret,
    secret_access_key: Secret,
    session_token: Option<Secret>,
    permissions: Vec<RawGrant>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    buckets: Vec<String>,
    #[serde(default = "every_key")]
    prefixes: Vec<String>,
    actions: Vec<RawAction>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum RawAction {
    Read,
    Write,
    Delete,
    List,
    Config,
    BucketAdmin,
    Acl,
}

impl RawAction {
    fn permission(self) -> Permission {
        match self {
            Self::Read => Permission::Read,
            Self::Write => Permission::Write,
            Self::Delete => Permission::Delete,
            Self::List => Permission::List,
            Self::Config => Permission::ReadConfig,
            Self::BucketAdmin => Permission::BucketAdmin,
            Self::Acl => Permission::Acl,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBucketRule {
    name: String,
    class: RawClass,
    logical_name: Option<String>,
    #[serde(default)]
    binding: RawBinding,
    key_ring: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawClass {
    Encrypted,
    Deny,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum RawBinding {
    #[default]
    BucketAndKey,
    Key,
    None,
}

impl RawBinding {
    fn binding(self) -> Binding {
        match self {
            Self::BucketAndKey => Binding::BucketAndKey,
            Self::Key => Binding::Key,
            Self::None => Binding::None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKeyRing {
    active: String,
    #[serde(default)]
    readable: Vec<String>,
    service: String,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
enum RawKeyService {
    Constellation {
        cluster: String,
        #[serde(default = "key_service_authority")]
        authority: String,
        #[serde(default = "key_service_timeout_ms")]
        timeout_ms: u64,
        #[serde(default = "ttl_seconds")]
        ttl_seconds: u64,
        #[serde(default = "grace_seconds")]
        grace_seconds: u64,
    },
    Static {
        keks: BTreeMap<String, Secret>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawLimits {
    max_buffered_body: u32,
    max_header_count: u32,
    max_header_bytes: u32,
}

impl Default for RawLimits {
    fn default() -> Self {
        Self {
            max_buffered_body: 2 * 1024 * 1024,
            max_header_count: 200,
            max_header_bytes: 16 * 1024,
        }
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Secret {
    Text(String),
    Environment { env: String },
}

fn yes() -> bool {
    true
}

fn path_addressing() -> StoreAddressing {
    StoreAddressing::Path
}

fn unsigned() -> PayloadIntegrity {
    PayloadIntegrity::Unsigned
}

fn every_key() -> Vec<String> {
    vec!["*".to_owned()]
}

fn store_timeout_ms() -> u64 {
    30_000
}

fn key_service_authority() -> String {
    "key-service".to_owned()
}

fn key_service_timeout_ms() -> u64 {
    2_000
}

fn ttl_seconds() -> u64 {
    600
}

fn grace_seconds() -> u64 {
    3_600
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = r#"{
        "endpoints": {"path_style": ["localhost"], "virtual_host_suffixes": ["s3.localhost"]},
        "regions": ["us-east-1", "eu-central-1"],
        "store": {"host": "store:9000", "region": "us-east-1", "signing": "filter",
                  "access_key_id": {"env": "STORE_ID"}, "secret_access_key": {"env": "STORE_SECRET"}},
        "clients": [{"access_key_id": "CLIENT", "secret_access_key": "secret",
                     "permissions": [{"buckets": ["photos-*"], "prefixes": ["public/"], "actions": ["read"]}]}],
        "buckets": [{"name": "photos-old", "class": "deny"},
                    {"name": "photos-*", "class": "encrypted", "key_ring": "default"}],
        "key_rings": {"default": {"active": "kek-2", "readable": ["kek-1"], "service": "dev"}},
        "key_services": {"dev": {"type": "static", "keks": {
            "kek-1": "1111111111111111111111111111111111111111111111111111111111111111",
            "kek-2": "2222222222222222222222222222222222222222222222222222222222222222"}}}
    }"#;

    fn parse(json: &str) -> Result<Config, Error> {
        Config::parse(json.as_bytes(), |name| match name {
            "STORE_ID" => Some("STORE".to_owned()),
            "STORE_SECRET" => Some("store-secret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        })
    }

    #[test]
    fn a_valid_configuration_has_careful_defaults() {
        let config = parse(VALID).unwrap();
        assert_eq!(config.region(), "us-east-1");
        assert_eq!(config.unsigned_payload, UnsignedPayload::Tls);
        assert!(config.sse_hint && config.store.metadata_digest);
        assert_eq!(config.store.payload_integrity, PayloadIntegrity::Unsigned);
        let Some(BucketClass::Encrypted(encryption)) =
            config.bucket_rule("photos-1").map(|rule| &rule.class)
        else {
            panic!("not encrypted");
        };
        assert_eq!(encryption.binding, Binding::BucketAndKey);
        assert!(encryption.key_ring.may_read(&KekId::new("kek-1").unwrap()));
        assert!(!encryption.key_ring.may_read(&KekId::new("kek-3").unwrap()));
    }

    #[test]
    fn the_first_rule_that_matches_decides_and_none_means_denied() {
        let config = parse(VALID).unwrap();
        assert!(matches!(
            config.bucket_rule("photos-old").unwrap().class,
            BucketClass::Deny
        ));
        assert!(config.bucket_rule("other").is_none());
    }

    #[test]
    fn a_client_may_what_it_was_granted_and_nothing_else() {
        let config = parse(VALID).unwrap();
        let client = config.client("CLIENT").unwrap();
        let may = |permission, bucket, object_key| {
            client.may(permission, Scope::Object { bucket, object_key })
        };
        assert!(may(Permission::Read, "photos-1", "public/a"));
        assert!(!may(Permission::Read, "photos-1", "private/a"));
        assert!(!may(Permission::Read, "documents", "public/a"));
        assert!(!may(Permission::Write, "photos-1", "public/a"));
        assert!(config.client("client").is_none());
    }

    #[test]
    fn a_grant_for_some_keys_is_none_for_the_bucket_or_for_a_key_that_leaves_it() {
        let config = parse(VALID).unwrap();
        let client = config.client("CLIENT").unwrap();
        let bucket = "photos-1";
        assert!(client.may(Permission::Read, Scope::BucketExistence { bucket }));
        assert!(!client.may(Permission::Read, Scope::Bucket { bucket }));
        assert!(!client.may(Permission::Read, Scope::Service));
        for (prefix, covered) in [
            ("public/", true),
            ("public/a", true),
            ("publi", false),
            ("", false),
        ] {
            assert_eq!(
                client.may(Permission::Read, Scope::Listing { bucket, prefix }),
                covered,
                "{prefix}"
            );
        }
        for object_key in ["public/../private", "public/./a", "public/.."] {
            assert!(!client.may(Permission::Read, Scope::Object { bucket, object_key }));
        }
        let json = VALID.replace(r#""prefixes": ["public/"], "#, "");
        let config = parse(&json).unwrap();
        let client = config.client("CLIENT").unwrap();
        assert!(client.may(Permission::Read, Scope::Bucket { bucket }));
        assert!(
            !client.may(Permission::Read, Scope::Service),
            "only some buckets"
        );
        assert!(Pattern::new("*").is_everything() && !Pattern::new("").is_everything());
    }

    /// Each change of a valid configuration, with the field that the message has to name.
    #[test]
    fn every_mistake_is_named() {
        let changes = [
            (
                r#""regions": ["us-east-1", "eu-central-1"],"#,
                r#""regions": [],"#,
                "regions",
            ),
            (r#""regions""#, r#""region""#, "region"),
            (
                r#""host": "store:9000""#,
                r#""host": "http://store/""#,
                "store.host",
            ),
            (r#""host": "store:9000""#, r#""host": " ""#, "store.host"),
            (
                r#""signing": "filter""#,
                r#""signing": "envoy""#,
                "store.signing",
            ),
            (
                r#""signing": "filter""#,
                r#""signing": "none""#,
                "store.signing",
            ),
            (r#""signing": "filter","#, "", "store"),
            (
                r#""access_key_id": {"env": "STORE_ID"}, "#,
                "",
                "store.access_key_id",
            ),
            (
                r#"{"env": "STORE_SECRET"}"#,
                r#"{"env": "UNSET"}"#,
                "store.secret_access_key",
            ),
            (
                r#"{"env": "STORE_SECRET"}"#,
                r#"{"env": "EMPTY"}"#,
                "store.secret_access_key",
            ),
            (
                r#""secret_access_key": "secret""#,
                r#""secret_access_key": """#,
                "clients[0].secret_access_key",
            ),
            (
                r#""access_key_id": "CLIENT""#,
                r#""access_key_id": "A/B""#,
                "clients[0].access_key_id",
            ),
            (
                r#""actions": ["read"]"#,
                r#""actions": ["reed"]"#,
                "clients[0].permissions[0].actions[0]",
            ),
            (
                r#""class": "deny""#,
                r#""class": "plain""#,
                "buckets[0].class",
            ),
            (
                r#", "key_ring": "default"}],"#,
                "}],",
                "buckets[1].key_ring",
            ),
            (
                r#""key_ring": "default"}]"#,
                r#""key_ring": "other"}]"#,
                "buckets[1].key_ring",
            ),
            (
                r#""service": "dev""#,
                r#""service": "other""#,
                "key_rings.default.service",
            ),
            (
                r#""active": "kek-2""#,
                r#""active": "kek 2""#,
                "key_rings.default.active",
            ),
            (
                r#""active": "kek-2""#,
                r#""active": "kek-3""#,
                "key_rings.default",
            ),
            (
                r#""type": "static""#,
                r#""type": "vault""#,
                "key_services.dev",
            ),
            (
                "1111111111111111111111111111111111111111111111111111111111111111",
                "11",
                "key_services.dev.keks.kek-1",
            ),
            (
                "1111111111111111111111111111111111111111111111111111111111111111",
                "0000000000000000000000000000000000000000000000000000000000000000",
                "key_services.dev.keks.kek-1",
            ),
            (
                "1111111111111111111111111111111111111111111111111111111111111111",
                "+111111111111111111111111111111111111111111111111111111111111111",
                "key_services.dev.keks.kek-1",
            ),
            (
                r#""name": "photos-*", "#,
                r#""name": "photos-*", "logical_name": "x", "#,
                "buckets[1].logical_name",
            ),
            (
                r#""name": "photos-*", "#,
                r#""name": "photos", "logical_name": "", "#,
                "buckets[1].logical_name",
            ),
            (
                r#""signing": "filter""#,
                r#""signing": "filter", "timeout_ms": 4294967296"#,
                "store.timeout_ms",
            ),
            (
                r#""signing": "filter""#,
                r#""signing": "filter", "cluster": """#,
                "store.cluster",
            ),
            (
                r#""kek-1": "1111111111111111111111111111111111111111111111111111111111111111""#,
                r#""1111111111111111111111111111111111111111111111111111111111111111": "kek-1""#,
                "key_services.dev.keks",
            ),
            (
                r#""key_rings""#,
                r#""limits": {"max_header_bytes": 0}, "key_rings""#,
                "limits.max_header_bytes",
            ),
            (
                r#""key_rings""#,
                r#""surprise": 1, "key_rings""#,
                "surprise",
            ),
            (
                r#"{"path_style": ["localhost"], "virtual_host_suffixes": ["s3.localhost"]}"#,
                "{}",
                "endpoints",
            ),
        ];
        for (from, to, field) in changes {
            assert!(VALID.contains(from), "{from}");
            let error = parse(&VALID.replacen(from, to, 1)).unwrap_err();
            assert!(
                error.field.starts_with(field) || error.problem.contains(field),
                "{from} -> {to}: {error}"
            );
            let message = error.to_string();
            assert!(
                !message.contains("store-secret") && !message.contains("11111111"),
                "{message}"
            );
        }
        let start = VALID
            .find(
                r#"{
            "kek-1""#,
            )
            .unwrap();
        let no_table = format!("{}\"{}\"}}}}}}", &VALID[..start], "9".repeat(64));
        let error = parse(&no_table).unwrap_err();
        assert!(!error.to_string().contains("999"), "{error}");
        assert!(parse("").is_err() && parse("{}").is_err() && parse(&format!("{VALID}x")).is_err());
    }

    #[test]
    fn a_pattern_never_counts_a_byte_twice() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
            ("a*", "a", true),
            ("a*a", "a", false),
            ("a*a", "aa", true),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("*-logs", "app-logs", true),
            ("*-logs", "app-logs-x", false),
            ("ab*ba", "aba", false),
            ("*a*a*", "a", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text),
                fits,
                "{pattern} {text}"
            );
        }
    }
}
