//! Which S3 operation a request is, decided so that no store can see another one.
//!
//! ```text
//! method, host, path, query, x-amz-* fields ──► operation, bucket, key, what may go upstream
//! ```
//!
//! Only what the table of operations knows is let through, and what goes upstream is
//! built anew from it: path and query are encoded canonically, and no query key is copied that the
//! operation does not have. Whatever two readers could read differently is refused: two
//! sub-resources, a sub-resource in another case, a repeated key or field.
//!
//! Whether a bucket is configured (CLS-13) and who may do what is not decided here.

mod address;
mod copy_source;
mod headers;
mod table;

use crate::head::{Headers, RequestHead};
use crate::uri::{self, InvalidEscape, Parameter, Query};

pub use address::{Addressing, StoreAddressing};
pub use copy_source::CopySource;
pub use headers::{HeaderRule, request_header_rule, response_header_allowed, without_aws_chunked};
pub use table::{Action, Operation, Permission};

use address::Resource;
use table::{Level, Method, Row};

/// Classifies a request.
///
/// # Errors
///
/// [`Refusal`] for a request that is no S3 operation, or that could be two.
pub fn classify(head: &RequestHead, addressing: &Addressing) -> Result<Request, Refusal> {
    let method = Method::parse(&head.method).ok_or(Refusal::MethodNotAllowed)?;
    headers::check(&head.headers)?;
    let resource = addressing.resource(&head.authority, head.path())?;
    if resource.bucket.as_deref().is_some_and(is_vendor_path) {
        return Err(Refusal::VendorExtension);
    }
    if head.raw_query().split('&').count() > MAX_PARAMETERS {
        return Err(Refusal::TooManyParameters);
    }
    let query = Query::parse(head.raw_query())?;
    check_keys(&query)?;
    let mut headers = headers::hoist(&head.headers, &query)?;
    let operation = recognise(method, &resource, &query, &headers)?;
    check_operation_tag(operation, &query)?;
    headers::check_write_conditions(operation, &headers)?;
    let copy_source = if operation.row().copies {
        let value = headers.value(COPY_SOURCE).unwrap_or_default();
        Some(CopySource::parse(value)?)
    } else {
        None
    };
    headers::describe_object(operation, &mut headers);
    let Admitted {
        upstream,
        part_number,
        response_overrides,
    } = admit_query(operation, method, &resource, &query)?;
    Ok(Request {
        operation,
        method: head.method.clone(),
        bucket: resource.bucket,
        object_key: resource.object_key,
        headers,
        query: upstream,
        part_number,
        response_overrides,
        copy_source,
    })
}

/// A request whose operation is known.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// The operation.
    pub operation: Operation,
    /// The method.
    pub method: String,
    /// The bucket; `None` for operations on the service.
    pub bucket: Option<String>,
    /// The object key, decoded; `None` for operations on a bucket or on the service.
    pub object_key: Option<String>,
    /// The client's fields and those that it put into the query (CLS-5), the latter last.
    ///
    /// `Content-Encoding` is without `aws-chunked` (PUT-12), and a new object has a
    /// `Content-Type`: [`request_header_rule`] tells which ones go upstream.
    pub headers: Headers,
    /// The query that goes upstream.
    pub query: Query,
    /// The `partNumber` of a GetObject, HeadObject, UploadPart or UploadPartCopy, 1 to 10 000. It
    /// is in `query` for the latter two only.
    pub part_number: Option<u16>,
    /// The fields of the answer that the client wants replaced (`response-content-type` and its
    /// like). They don't go upstream, so that what the store says can be checked first.
    pub response_overrides: Vec<(&'static str, String)>,
    /// The source of a CopyObject or UploadPartCopy.
    pub copy_source: Option<CopySource>,
}

impl Request {
    /// The target of the request to the store: a canonical path, and the canonical query.
    ///
    /// With [`StoreAddressing::VirtualHost`] the bucket belongs in the host; without a bucket both
    /// are the same.
    pub fn upstream_target(&self, addressing: StoreAddressing) -> String {
        let mut target = "/".to_owned();
        if let Some(bucket) = &self.bucket
            && addressing == StoreAddressing::Path
        {
            target.push_str(bucket);
            if self.object_key.is_some() {
                target.push('/');
            }
        }
        if let Some(object_key) = &self.object_key {
            target.push_str(&uri::encode_path(object_key.as_bytes()));
        }
        if !self.query.is_empty() {
            target.push('?');
            target.push_str(&self.query.canonical());
        }
        target
    }

    /// Checks that the request means the same to a store that is addressed by
    /// [`StoreAddressing::VirtualHost`].
    ///
    /// # Errors
    ///
    /// [`Refusal::InvalidBucketName`] for a bucket that is no lower-case host name, because case
    /// does not count in hosts; [`Refusal::VendorExtension`] for a key that is a path of MinIO's own
    /// once the bucket has left the path.
    pub fn check_virtual_host(&self) -> Result<(), Refusal> {
        let is_label = |label: &str| {
            let legal =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            !label.is_empty() && label.bytes().all(legal)
        };
        if !self
            .bucket
            .as_deref()
            .is_none_or(|bucket| bucket.split('.').all(is_label))
        {
            return Err(Refusal::InvalidBucketName);
        }
        let is_minio = |key: &str| key == "minio" || key.starts_with("minio/");
        if self.object_key.as_deref().is_some_and(is_minio) {
            return Err(Refusal::VendorExtension);
        }
        Ok(())
    }

    /// Tells whether the request needs [`Permission::Acl`] beside the operation's permission: it
    /// sets an ACL other than `private`, which is the default.
    pub fn asks_for_acl(&self) -> bool {
        matches!(
            self.operation,
            Operation::PutBucketAcl | Operation::PutObjectAcl
        ) || self.headers.iter().any(headers::grants)
    }

    /// Tells whether the request wants to bypass a governance-mode lock.
    pub fn asks_for_governance_bypass(&self) -> bool {
        self.headers.contains("x-amz-bypass-governance-retention")
    }
}

impl core::fmt::Debug for Request {
    /// Leaves the fields out: they hold credentials and customer keys.
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter
            .debug_struct("Request")
            .field("operation", &self.operation)
            .field("bucket", &self.bucket)
            .field("object_key", &self.object_key)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// Why a request is refused. Each variant names the error that S3 has for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 405 `MethodNotAllowed`: an unknown method, or one that the resource does not have (CLS-9).
    #[error("method not allowed")]
    MethodNotAllowed,
    /// 405 `MethodNotAllowed`: a form upload, whose object would be stored unencrypted (CLS-10).
    #[error("form upload")]
    PostObject,
    /// 400 `InvalidRequest`: a host that is not configured (RTE-1).
    #[error("unknown host")]
    UnknownHost,
    /// 400 `InvalidURI`: a target that does not decode, or a key that leaves its bucket.
    #[error("invalid URI")]
    InvalidUri,
    /// 400 `InvalidBucketName`.
    #[error("invalid bucket name")]
    InvalidBucketName,
    /// 400 `KeyTooLongError`, with `Size` and `MaxSizeAllowed` (1024).
    #[error("object key of {len} bytes")]
    KeyTooLong {
        /// The length of the key in bytes.
        len: usize,
    },
    /// 400 `InvalidRequest`: two sub-resources (CLS-2).
    #[error("conflicting sub-resources")]
    ConflictingSubresources,
    /// 400 `InvalidRequest`: a known query key in another case (CLS-3).
    #[error("`{0}` in another case")]
    KeyCase(&'static str),
    /// 400 `InvalidRequest`: a bucket's sub-resource on an object, or the reverse.
    #[error("sub-resource `{0}` of another kind of resource")]
    MisplacedSubresource(&'static str),
    /// 400 `InvalidArgument`: a query key without which the sub-resource means nothing.
    #[error("missing query parameter `{0}`")]
    MissingParameter(&'static str),
    /// 400 `InvalidRequest`: more query parameters than any operation could have.
    #[error("too many query parameters")]
    TooManyParameters,
    /// 400 `InvalidArgument`: a query key more than once (CLS-3).
    #[error("repeated query parameter")]
    RepeatedParameter,
    /// 400 `InvalidArgument`: a query key with a value that it can't have, or where it can't be.
    #[error("invalid query parameter `{0}`")]
    InvalidParameter(&'static str),
    /// 400 `InvalidRequest`: `x-id` names another operation (CLS-6).
    #[error("x-id names another operation")]
    OperationMismatch,
    /// 400 `InvalidRequest`: a field and a query key of the same name with different values
    /// (CLS-5).
    #[error("conflicting header and query parameter")]
    HoistedHeaderConflict,
    /// 501 `NotImplemented`: an unknown query key (CLS-7).
    #[error("unknown query parameter")]
    UnknownParameter,
    /// 501 `NotImplemented`: an interface of another vendor's (CLS-11).
    #[error("vendor extension")]
    VendorExtension,
    /// 400 `InvalidRequest`: a single-valued field more than once (CLS-4).
    #[error("repeated header")]
    RepeatedHeader,
    /// 400 `InvalidRequest`: a field name with `_` or with what no name may have (CLS-4).
    #[error("invalid header name")]
    InvalidHeaderName,
    /// 400 `InvalidArgument`: a field value that is not UTF-8 or has control characters.
    #[error("invalid header value")]
    InvalidHeaderValue,
    /// 400 `InvalidArgument`: metadata that only an encrypting program may write.
    #[error("reserved metadata name")]
    ReservedMetadata,
    /// 400 `InvalidRequest`: a checksum that S3 does not have (CHK-1).
    #[error("unsupported checksum")]
    UnsupportedChecksum,
    /// 501 `NotImplemented`: an `x-amz-*` field that the operation does not have.
    #[error("unknown header")]
    UnknownHeader,
    /// 501 `NotImplemented`: a write to a part of an object (CLS-12).
    #[error("partial write")]
    PartialWrite,
    /// 501 `NotImplemented`: a condition that the operation can't keep (ETG-5).
    #[error("unsupported condition `{0}`")]
    Condition(&'static str),
    /// 400 `InvalidArgument`: `x-amz-copy-source` is not `bucket/key` (RTE-4).
    #[error("invalid copy source")]
    InvalidCopySource,
    /// 501 `NotImplemented`: `x-amz-copy-source` names an access point (RTE-4).
    #[error("copy source is an ARN")]
    CopySourceArn,
}

impl From<InvalidEscape> for Refusal {
    fn from(_: InvalidEscape) -> Self {
        Self::InvalidUri
    }
}

/// What of a query is let through.
struct Admitted {
    upstream: Query,
    part_number: Option<u16>,
    response_overrides: Vec<(&'static str, String)>,
}

/// Refuses keys that two readers may read differently (CLS-3).
fn check_keys(query: &Query) -> Result<(), Refusal> {
    for parameter in query.iter() {
        let name = parameter.name.as_str();
        let twins = query.iter().filter(|other| other.name == name);
        if twins.count() > 1 {
            return Err(Refusal::RepeatedParameter);
        }
        if table::is_subresource(name) {
            continue;
        }
        let exact = table::subresource_ignoring_case(name).or_else(|| {
            OTHER_KEYS
                .iter()
                .chain(&headers::SIGV4_PARAMETERS)
                .copied()
                .chain(OVERRIDES.iter().map(|(key, _)| *key))
                .find(|key| key.eq_ignore_ascii_case(name))
        });
        if let Some(exact) = exact
            && exact != name
        {
            return Err(Refusal::KeyCase(exact));
        }
    }
    Ok(())
}

/// Finds the one operation that the request can be (CLS-1, CLS-2, CLS-9, CLS-10).
fn recognise(
    method: Method,
    resource: &Resource,
    query: &Query,
    headers: &Headers,
) -> Result<Operation, Refusal> {
    let level = resource.level();
    if method == Method::Options {
        return Ok(Operation::Options);
    }
    if method == Method::Post && level != Level::Object && is_form(headers) {
        return Err(Refusal::PostObject);
    }
    let mut subresources = query
        .iter()
        .filter(|parameter| table::is_subresource(&parameter.name));
    let subresource = subresources.next().map(|parameter| parameter.name.as_str());
    if subresources.next().is_some() {
        return Err(Refusal::ConflictingSubresources);
    }
    if method == Method::Post
        && subresource.is_none()
        && level == Level::Bucket
        && resource.bucket.as_deref() == Some(Operation::WriteGetObjectResponse.name())
    {
        return Ok(Operation::WriteGetObjectResponse);
    }
    let mut candidates: Vec<Operation> = rows()
        .filter(|(_, row)| {
            row.method == method && row.level == level && row.subresource == subresource
        })
        .map(|(operation, _)| operation)
        .collect();
    if candidates.is_empty() {
        return Err(no_operation(method, level, subresource, query));
    }
    if candidates.iter().any(|candidate| candidate.row().copies) {
        let copies = headers.contains(COPY_SOURCE);
        candidates.retain(|candidate| candidate.row().copies == copies);
    }
    let with_companion = candidates.iter().find(|candidate| {
        candidate
            .row()
            .companion
            .is_some_and(|companion| query.contains(companion))
    });
    let alone = candidates
        .iter()
        .find(|candidate| candidate.row().companion.is_none());
    match (with_companion.or(alone), candidates.first()) {
        (Some(operation), _) => Ok(*operation),
        (None, Some(candidate)) => Err(Refusal::MissingParameter(
            candidate.row().companion.unwrap_or_default(),
        )),
        (None, None) => Err(Refusal::MethodNotAllowed),
    }
}

/// Why no operation has this method, level and sub-resource.
fn no_operation(method: Method, level: Level, subresource: Option<&str>, query: &Query) -> Refusal {
    if let Some(subresource) = subresource {
        let elsewhere = rows()
            .filter(|(_, row)| row.method == method && row.level != level)
            .filter_map(|(_, row)| row.subresource)
            .find(|known| *known == subresource);
        return elsewhere.map_or(Refusal::MethodNotAllowed, Refusal::MisplacedSubresource);
    }
    match (method, level) {
        // STS and IAM take their requests there.
        (Method::Post, Level::Service) => Refusal::VendorExtension,
        (Method::Post, Level::Bucket) if query.is_empty() => Refusal::PostObject,
        (Method::Post, Level::Bucket) => Refusal::UnknownParameter,
        (
            Method::Get
            | Method::Head
            | Method::Put
            | Method::Post
            | Method::Delete
            | Method::Options,
            _,
        ) => Refusal::MethodNotAllowed,
    }
}

/// CLS-6: an SDK's tag must say what the request is.
fn check_operation_tag(operation: Operation, query: &Query) -> Result<(), Refusal> {
    match query.value("x-id") {
        Some(name) if !operation.is_called(name) => Err(Refusal::OperationMismatch),
        Some(_) | None => Ok(()),
    }
}

/// Takes what the operation knows out of the client's query (CLS-7, CLS-8).
fn admit_query(
    operation: Operation,
    method: Method,
    resource: &Resource,
    query: &Query,
) -> Result<Admitted, Refusal> {
    let mut admitted = Admitted {
        upstream: Query::default(),
        part_number: None,
        response_overrides: Vec::new(),
    };
    if operation == Operation::Options {
        return Ok(admitted);
    }
    let row = operation.row();
    let is_read = matches!(operation, Operation::GetObject | Operation::HeadObject);
    for parameter in query.iter() {
        let (name, value) = (parameter.name.as_str(), parameter.value());
        if name == "partNumber" {
            if row.companion != Some("partNumber") && !is_read {
                return Err(Refusal::InvalidParameter("partNumber"));
            }
            let number = part_number(value)?;
            admitted.part_number = Some(number);
            if !is_read {
                admitted.upstream.push(name, Some(number.to_string()));
            }
        } else if row.subresource == Some(name) {
            admitted.upstream.push(name, subresource_value(parameter)?);
        } else if row.companion == Some(name) || row.parameters.contains(&name) {
            // A store may take an empty version for no version.
            if name == "versionId" && value.is_empty() {
                return Err(Refusal::InvalidParameter("versionId"));
            }
            admitted.upstream.push(name, Some(value.to_owned()));
        } else if let Some((_, field)) = OVERRIDES.iter().find(|(key, _)| *key == name)
            && is_read
        {
            headers::check_override(value).map_err(|_| Refusal::InvalidParameter("response-*"))?;
            admitted.response_overrides.push((field, value.to_owned()));
        } else if !ends_here(query, parameter) {
            check_unknown_key(row, method, resource, name)?;
        }
    }
    Ok(admitted)
}

/// Tells whether a query key has done its work once the request is classified.
fn ends_here(query: &Query, parameter: &Parameter) -> bool {
    let name = parameter.name.as_str();
    name == "x-id"
        || headers::SIGV4_PARAMETERS.contains(&name)
        || SIGV2_PARAMETERS.contains(&name)
        || headers::is_hoisted(query, parameter)
}

/// CLS-7: a key that the operation does not have is dropped where S3 ignores it and the operation
/// stays what it is, else refused.
fn check_unknown_key(
    row: &Row,
    method: Method,
    resource: &Resource,
    name: &str,
) -> Result<(), Refusal> {
    if name == "versionId" {
        return Err(Refusal::InvalidParameter("versionId"));
    }
    match (method, resource.level()) {
        (Method::Get | Method::Head, Level::Object) => Ok(()),
        (Method::Put, Level::Object) => {
            if VENDOR_KEYS.iter().any(|key| key.eq_ignore_ascii_case(name)) {
                Err(Refusal::VendorExtension)
            } else {
                Ok(())
            }
        }
        // The parameter of another kind of list.
        (Method::Get, Level::Bucket | Level::Service)
            if rows().any(|(_, other)| {
                other.method == method
                    && other.level == row.level
                    && other.parameters.contains(&name)
            }) =>
        {
            Ok(())
        }
        (
            Method::Get
            | Method::Head
            | Method::Put
            | Method::Post
            | Method::Delete
            | Method::Options,
            Level::Service | Level::Bucket | Level::Object | Level::Elsewhere,
        ) => Err(Refusal::UnknownParameter),
    }
}

/// The value with which a sub-resource goes upstream: only some have one.
fn subresource_value(parameter: &Parameter) -> Result<Option<String>, Refusal> {
    let value = parameter.value();
    match parameter.name.as_str() {
        "uploadId" => {
            // A store may take an empty id for none, and abort nothing but delete the object.
            let legal = (1..=MAX_UPLOAD_ID_LEN).contains(&value.len())
                && value.bytes().all(|byte| byte.is_ascii_graphic());
            if !legal {
                return Err(Refusal::InvalidParameter("uploadId"));
            }
            Ok(Some(value.to_owned()))
        }
        "list-type" if value != "2" => Err(Refusal::InvalidParameter("list-type")),
        "list-type" => Ok(Some(value.to_owned())),
        _ => Ok(None),
    }
}

/// GET-13: 1 to 10 000.
fn part_number(text: &str) -> Result<u16, Refusal> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refusal::InvalidParameter("partNumber"));
    }
    match text.parse() {
        Ok(number @ 1..=10_000) => Ok(number),
        Ok(_) | Err(_) => Err(Refusal::InvalidParameter("partNumber")),
    }
}

fn is_form(headers: &Headers) -> bool {
    headers
        .text(CONTENT_TYPE)
        .is_some_and(|value| value.to_ascii_lowercase().contains("form-data"))
}

/// Tells whether a path that starts with `bucket` is a store's own interface (CLS-11).
fn is_vendor_path(bucket: &str) -> bool {
    matches!(bucket, "minio" | "admin")
}

/// The operations that a request can be recognised as, with their rows.
fn rows() -> impl Iterator<Item = (Operation, &'static Row)> {
    Operation::ALL
        .iter()
        .filter(|operation| !operation.is_former_name())
        .map(|operation| (*operation, operation.row()))
}

const COPY_SOURCE: &str = "x-amz-copy-source";

const CONTENT_TYPE: &str = "content-type";

/// The query keys that select no operation, but change what it does.
const OTHER_KEYS: [&str; 4] = ["partNumber", "versionId", "select-type", "x-id"];

/// The query keys of SigV2's signature in a query.
const SIGV2_PARAMETERS: [&str; 3] = ["AWSAccessKeyId", "Expires", "Signature"];

/// What turns a PutObject into something else on other vendors' stores.
const VENDOR_KEYS: [&str; 3] = ["append", "position", "compose"];

/// The query keys that replace fields of the answer.
const OVERRIDES: [(&str, &str); 6] = [
    ("response-cache-control", "cache-control"),
    ("response-content-disposition", "content-disposition"),
    ("response-content-encoding", "content-encoding"),
    ("response-content-language", "content-language"),
    ("response-content-type", "content-type"),
    ("response-expires", "expires"),
];

const MAX_UPLOAD_ID_LEN: usize = 1024;

/// S3 has no operation with more than about twenty; each is compared with every other.
const MAX_PARAMETERS: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cls_1_every_operation_is_recognised_in_both_styles() {
        for (operation, method, target, field) in WIRE {
            for (authority, target) in [
                ("s3.example.com", target.replace("/B", "/bucket")),
                ("127.0.0.1:9000", target.replace("/B", "/bucket")),
                ("bucket.s3.example.com", target.replacen("/B", "", 1)),
            ] {
                let names_bucket = WIRE_ON_SERVICE.iter().all(|other| other != operation);
                if authority.starts_with("bucket.") && !names_bucket {
                    continue;
                }
                let target = if target.starts_with('/') {
                    target
                } else {
                    format!("/{target}")
                };
                let mut head = head(method, &target);
                head.authority = authority.to_owned();
                if let Some((name, value)) = field {
                    head.headers.push(*name, *value);
                }
                let request = classify(&head, &addressing())
                    .unwrap_or_else(|refusal| panic!("{} {target}: {refusal:?}", operation.name()));
                assert_eq!(request.operation, *operation, "{method} {target}");
                if *operation != Operation::WriteGetObjectResponse {
                    assert_eq!(request.bucket.is_some(), names_bucket, "{target}");
                }
                let names_key = operation.row().level == Level::Object;
                assert_eq!(
                    request.object_key.as_deref(),
                    names_key.then_some("K"),
                    "{target}"
                );
                assert_eq!(request.method, *method);
            }
        }
    }

    #[test]
    fn cls_1_the_wire_table_has_every_operation() {
        for operation in Operation::ALL {
            let recognised = WIRE.iter().filter(|(known, ..)| known == operation).count();
            let expected =
                usize::from(!operation.is_former_name() && *operation != Operation::PostObject);
            assert_eq!(recognised, expected, "{}", operation.name());
        }
    }

    #[test]
    fn cls_1_a_copy_source_makes_a_copy() {
        let mut head = head("PUT", "/bucket/key");
        head.headers
            .push("x-amz-copy-source", "/source/a%20key?versionId=v1");
        let request = classify(&head, &addressing()).unwrap();
        assert_eq!(request.operation, Operation::CopyObject);
        let source = request.copy_source.unwrap();
        assert_eq!(
            (source.bucket.as_str(), source.object_key.as_str()),
            ("source", "a key")
        );
        for (value, refusal) in [
            ("", Refusal::InvalidCopySource),
            ("bucket", Refusal::InvalidCopySource),
            ("arn:aws:s3:::b/k", Refusal::CopySourceArn),
        ] {
            head.headers.set("x-amz-copy-source", value);
            assert_eq!(classify(&head, &addressing()), Err(refusal), "{value}");
        }
    }

    #[test]
    fn cls_2_two_sub_resources_are_refused() {
        for (method, target) in [
            ("PUT", "/bucket/key?acl&uploadId=u&partNumber=1"),
            ("PUT", "/bucket/key?tagging&acl"),
            ("POST", "/bucket/key?uploads&uploadId=u"),
            ("PUT", "/bucket/key?tagging&uploads"),
            ("GET", "/bucket?list-type=2&versions"),
            ("GET", "/bucket?acl&policy"),
            ("PUT", "/bucket/key?acl&lifecycle"),
            ("DELETE", "/bucket/key?uploadId=u&tagging"),
        ] {
            assert_eq!(
                refusal(method, target),
                Refusal::ConflictingSubresources,
                "{target}"
            );
        }
    }

    #[test]
    fn cls_2_companions_are_no_second_sub_resource() {
        for (method, target, operation, query) in [
            (
                "PUT",
                "/bucket/key?uploadId=u&partNumber=01",
                Operation::UploadPart,
                "partNumber=1&uploadId=u",
            ),
            (
                "GET",
                "/bucket/key?uploadId=u&max-parts=2&part-number-marker=3&encoding-type=url",
                Operation::ListParts,
                "encoding-type=url&max-parts=2&part-number-marker=3&uploadId=u",
            ),
            (
                "GET",
                "/bucket/key?acl&versionId=v",
                Operation::GetObjectAcl,
                "acl=&versionId=v",
            ),
            (
                "GET",
                "/bucket?inventory&id=i",
                Operation::GetBucketInventoryConfiguration,
                "id=i&inventory=",
            ),
            (
                "GET",
                "/bucket?inventory&continuation-token=t",
                Operation::ListBucketInventoryConfigurations,
                "continuation-token=t&inventory=",
            ),
            (
                "POST",
                "/bucket/key?select&select-type=2",
                Operation::SelectObjectContent,
                "select=&select-type=2",
            ),
        ] {
            let request = classify(&head(method, target), &addressing()).unwrap();
            assert_eq!(request.operation, operation, "{target}");
            assert_eq!(request.query.canonical(), query, "{target}");
        }
    }

    #[test]
    fn cls_2_companions_go_with_their_sub_resource_only() {
        for (method, target, expected) in [
            (
                "PUT",
                "/bucket/key?partNumber=1",
                Refusal::InvalidParameter("partNumber"),
            ),
            (
                "PUT",
                "/bucket/key?uploadId=u",
                Refusal::MissingParameter("partNumber"),
            ),
            (
                "GET",
                "/bucket/key?uploadId=u&partNumber=1",
                Refusal::InvalidParameter("partNumber"),
            ),
            (
                "DELETE",
                "/bucket/key?uploadId=u&partNumber=1",
                Refusal::InvalidParameter("partNumber"),
            ),
            (
                "GET",
                "/bucket/key?acl&partNumber=1",
                Refusal::InvalidParameter("partNumber"),
            ),
            ("PUT", "/bucket?inventory", Refusal::MissingParameter("id")),
            ("DELETE", "/bucket?metrics", Refusal::MissingParameter("id")),
            (
                "PUT",
                "/bucket/key?versionId=v",
                Refusal::InvalidParameter("versionId"),
            ),
            (
                "DELETE",
                "/bucket/key?versionId=",
                Refusal::InvalidParameter("versionId"),
            ),
            (
                "DELETE",
                "/bucket/key?uploadId=",
                Refusal::InvalidParameter("uploadId"),
            ),
            (
                "DELETE",
                "/bucket/key?uploadId",
                Refusal::InvalidParameter("uploadId"),
            ),
            (
                "DELETE",
                "/bucket/key?uploadId=a%0d%0ab",
                Refusal::InvalidParameter("uploadId"),
            ),
            (
                "GET",
                "/bucket?list-type=1",
                Refusal::InvalidParameter("list-type"),
            ),
            (
                "GET",
                "/bucket?list-type",
                Refusal::InvalidParameter("list-type"),
            ),
        ] {
            assert_eq!(refusal(method, target), expected, "{method} {target}");
        }
    }

    #[test]
    fn cls_3_a_known_key_in_other_case_is_refused() {
        for (target, key) in [
            ("/bucket/key?ACL", "acl"),
            ("/bucket/key?UploadId=u", "uploadId"),
            ("/bucket/key?uploadid=u", "uploadId"),
            ("/bucket/key?%41cl", "acl"),
            ("/bucket/key?versionid=v", "versionId"),
            ("/bucket/key?PartNumber=1", "partNumber"),
            (
                "/bucket/key?Response-Content-Type=x",
                "response-content-type",
            ),
            ("/bucket/key?x-amz-signature=x", "X-Amz-Signature"),
            ("/bucket/key?X-Id=GetObject", "x-id"),
        ] {
            for method in ["GET", "PUT", "DELETE"] {
                assert_eq!(refusal(method, target), Refusal::KeyCase(key), "{target}");
            }
        }
    }

    #[test]
    fn cls_3_keys_are_decoded_once() {
        assert_eq!(
            operation("GET", "/bucket/key?%61cl"),
            Operation::GetObjectAcl
        );
        assert_eq!(
            operation("GET", "/bucket/key?%2561cl"),
            Operation::GetObject
        );
        assert_eq!(refusal("GET", "/bucket/key?%zz"), Refusal::InvalidUri);
        assert_eq!(refusal("GET", "/bucket/key?a=%ff"), Refusal::InvalidUri);
    }

    #[test]
    fn cls_3_a_repeated_key_is_refused() {
        for target in [
            "/bucket/key?versionId=a&versionId=b",
            "/bucket/key?acl&acl",
            "/bucket/key?acl&%61cl",
            "/bucket/key?foo=1&foo=1",
        ] {
            assert_eq!(
                refusal("GET", target),
                Refusal::RepeatedParameter,
                "{target}"
            );
        }
    }

    #[test]
    fn cls_3_a_semicolon_is_data() {
        assert_eq!(
            operation("PUT", "/bucket/key?acl;uploadId=u"),
            Operation::PutObject
        );
        let request = classify(&head("GET", "/bucket/key?versionId=a;acl"), &addressing()).unwrap();
        assert_eq!(request.query.canonical(), "versionId=a%3Bacl");
    }

    #[test]
    fn cls_4_a_repeated_single_valued_field_is_refused() {
        for name in [
            "x-amz-date",
            "x-amz-copy-source",
            "x-amz-meta-colour",
            "content-type",
            "content-encoding",
            "range",
            "if-match",
            "authorization",
            "cache-control",
        ] {
            let mut head = head("PUT", "/bucket/key");
            head.headers.push(name, "source/key");
            head.headers.push(name.to_ascii_uppercase(), "source/key");
            assert_eq!(
                classify(&head, &addressing()),
                Err(Refusal::RepeatedHeader),
                "{name}"
            );
        }
        let mut head = head("GET", "/bucket/key?attributes");
        head.headers.push("x-amz-object-attributes", "ETag");
        head.headers.push("x-amz-object-attributes", "ObjectSize");
        head.headers.push("accept", "a");
        head.headers.push("accept", "b");
        assert!(classify(&head, &addressing()).is_ok());
    }

    #[test]
    fn cls_4_an_underscore_in_a_field_name_is_refused() {
        for name in [
            "x_amz_acl",
            "x-amz-meta-s3_envelope",
            "x-amz-meta-s3_envelope-2",
            "x-amz-meta-constellation_dek",
            "x-amz-meta-x_amz_key",
            "x-amz-meta-minio_snowball_prefix",
            "x-amz_meta-a",
            "foo_bar",
            "",
            "a b",
            "x-amz-meta-ü",
        ] {
            let mut head = head("PUT", "/bucket/key");
            head.headers.push(name, "v");
            assert_eq!(
                classify(&head, &addressing()),
                Err(Refusal::InvalidHeaderName),
                "{name}"
            );
        }
    }

    #[test]
    fn cls_4_an_underscore_in_the_name_of_metadata_is_taken() {
        for name in [
            "x-amz-meta-user_id",
            "X-Amz-Meta-_",
            "x-amz-meta-envelope_s3",
        ] {
            let mut head = head("PUT", "/bucket/key");
            head.headers.push(name, "v");
            let request = classify(&head, &addressing()).unwrap();
            assert!(
                request
                    .headers
                    .iter()
                    .any(|field| field.name == name.to_ascii_lowercase())
            );
        }
    }

    #[test]
    fn a_field_value_that_is_not_text_is_refused() {
        for name in [
            "x-amz-meta-colour",
            "content-type",
            "x-amz-copy-source",
            "if-match",
            "range",
        ] {
            for value in [b"\xff".as_slice(), b"a\rb", b"a\nb", b"\0", b"\x7f"] {
                let mut head = head("PUT", "/bucket/key");
                head.headers.push(name, value);
                assert_eq!(
                    classify(&head, &addressing()),
                    Err(Refusal::InvalidHeaderValue),
                    "{name}"
                );
            }
        }
        let mut head = head("PUT", "/bucket/key");
        head.headers.push("user-agent", b"\xff".as_slice());
        head.headers.push("x-amz-meta-colour", "grün");
        assert!(classify(&head, &addressing()).is_ok());
    }

    #[test]
    fn cls_5_fields_in_an_authenticated_query_are_fields() {
        let target = format!(
            "/bucket/key?{PRESIGNED}&x-amz-copy-source=source%2Fkey&X-Amz-Meta-Colour=red&x-amz-acl=public-read"
        );
        let request = classify(&head("PUT", &target), &addressing()).unwrap();
        assert_eq!(request.operation, Operation::CopyObject);
        assert_eq!(
            request.headers.text("x-amz-copy-source"),
            Some("source/key")
        );
        assert_eq!(request.headers.text("x-amz-meta-colour"), Some("red"));
        assert!(request.asks_for_acl());
        assert_eq!(
            request.upstream_target(StoreAddressing::Path),
            "/bucket/key"
        );
    }

    #[test]
    fn cls_5_the_signature_of_a_query_is_no_field() {
        let target = format!(
            "/bucket?{PRESIGNED}&X-Amz-Security-Token=t&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD"
        );
        let request = classify(&head("GET", &target), &addressing()).unwrap();
        assert_eq!(request.operation, Operation::ListObjects);
        assert!(request.headers.is_empty() && request.query.is_empty());
    }

    #[test]
    fn cls_5_field_and_query_must_agree() {
        let target = format!("/bucket/key?{PRESIGNED}&x-amz-checksum-mode=ENABLED");
        let mut head = head("GET", &target);
        head.headers.push("x-amz-checksum-mode", " ENABLED ");
        let request = classify(&head, &addressing()).unwrap();
        assert_eq!(request.headers.count("x-amz-checksum-mode"), 1);
        head.headers.set("x-amz-checksum-mode", "DISABLED");
        assert_eq!(
            classify(&head, &addressing()),
            Err(Refusal::HoistedHeaderConflict)
        );
    }

    #[test]
    fn cls_5_a_query_can_not_inject_fields() {
        for (pieces, expected) in [
            (
                "x-amz-meta-a=b%0d%0ax-amz-acl:x",
                Refusal::InvalidHeaderValue,
            ),
            ("x-amz-meta-a%0d%0a=b", Refusal::InvalidHeaderName),
            ("x-amz-meta-a%20b=b", Refusal::InvalidHeaderName),
            ("x-amz-meta_a=b", Refusal::InvalidHeaderName),
            ("x-amz-meta-a=b&X-Amz-Meta-A=b", Refusal::RepeatedParameter),
        ] {
            let target = format!("/bucket/key?{PRESIGNED}&{pieces}");
            assert_eq!(refusal("PUT", &target), expected, "{pieces}");
        }
    }

    #[test]
    fn cls_5_other_queries_carry_no_fields() {
        let request = classify(
            &head("PUT", "/bucket/key?x-amz-copy-source=source%2Fkey"),
            &addressing(),
        )
        .unwrap();
        assert_eq!(request.operation, Operation::PutObject);
        assert!(!request.headers.contains("x-amz-copy-source"));
        let sigv2 = "/bucket/key?AWSAccessKeyId=a&Expires=1&Signature=s&x-amz-acl=public-read";
        let request = classify(&head("PUT", sigv2), &addressing()).unwrap();
        assert!(!request.asks_for_acl());
        assert!(request.query.is_empty());
        assert_eq!(
            refusal("GET", "/bucket?x-amz-acl=a"),
            Refusal::UnknownParameter
        );
    }

    #[test]
    fn cls_6_an_operation_tag_is_checked_and_dropped() {
        let request = classify(
            &head("GET", "/bucket/key?x-id=GetObject&versionId=v"),
            &addressing(),
        )
        .unwrap();
        assert_eq!(
            request.upstream_target(StoreAddressing::Path),
            "/bucket/key?versionId=v"
        );
        assert_eq!(
            operation("GET", "/bucket?lifecycle&x-id=GetBucketLifecycle"),
            Operation::GetBucketLifecycleConfiguration
        );
        for (method, target) in [
            ("PUT", "/bucket/key?x-id=CopyObject"),
            ("PUT", "/bucket/key?x-id="),
            ("GET", "/bucket/key?x-id=getobject"),
            ("PUT", "/bucket?lifecycle&x-id=GetBucketLifecycle"),
            ("GET", "/?x-id=ListDirectoryBuckets"),
        ] {
            assert_eq!(
                refusal(method, target),
                Refusal::OperationMismatch,
                "{target}"
            );
        }
    }

    #[test]
    fn cls_7_unknown_keys_of_a_put_or_read_are_dropped() {
        for (method, expected) in [
            ("GET", Operation::GetObject),
            ("HEAD", Operation::HeadObject),
            ("PUT", Operation::PutObject),
        ] {
            let request = classify(
                &head(method, "/bucket/key?cache=1&prefix=x&=y"),
                &addressing(),
            )
            .unwrap();
            assert_eq!(request.operation, expected);
            assert_eq!(
                request.upstream_target(StoreAddressing::Path),
                "/bucket/key"
            );
        }
    }

    #[test]
    fn cls_7_unknown_keys_of_anything_else_are_refused() {
        for (method, target) in [
            ("POST", "/bucket/key?uploads&foo"),
            ("POST", "/bucket?delete&foo"),
            ("POST", "/bucket?foo"),
            ("DELETE", "/bucket/key?foo"),
            ("DELETE", "/bucket?foo"),
            ("PUT", "/bucket?foo"),
            ("GET", "/bucket?foo"),
            ("GET", "/bucket?list-type=2&metadata=true"),
            ("HEAD", "/bucket?foo"),
            ("GET", "/?foo"),
        ] {
            assert_eq!(
                refusal(method, target),
                Refusal::UnknownParameter,
                "{method} {target}"
            );
        }
    }

    #[test]
    fn cls_8_only_keys_of_the_operation_go_upstream() {
        let request = classify(
            &head(
                "GET",
                "/bucket?prefix=a%20b+c&start-after=x&delimiter=%2F&marker",
            ),
            &addressing(),
        )
        .unwrap();
        assert_eq!(request.operation, Operation::ListObjects);
        assert_eq!(
            request.upstream_target(StoreAddressing::VirtualHost),
            "/?delimiter=%2F&marker=&prefix=a%20b%2Bc"
        );
        let request = classify(&head("PUT", "/bucket/key?acl=public"), &addressing()).unwrap();
        assert_eq!(
            request.upstream_target(StoreAddressing::Path),
            "/bucket/key?acl="
        );
    }

    #[test]
    fn cls_9_unknown_methods_are_refused() {
        for method in ["PATCH", "COPY", "TRACE", "CONNECT", "get", "", "GET "] {
            assert_eq!(
                refusal(method, "/bucket/key"),
                Refusal::MethodNotAllowed,
                "{method}"
            );
        }
        for (method, target) in [
            ("PUT", "/"),
            ("DELETE", "/"),
            ("HEAD", "/"),
            ("POST", "/bucket/key"),
            ("POST", "/bucket/key?acl"),
            ("HEAD", "/bucket/key?acl"),
            ("DELETE", "/bucket/key?retention"),
        ] {
            assert_eq!(
                refusal(method, target),
                Refusal::MethodNotAllowed,
                "{method} {target}"
            );
        }
    }

    #[test]
    fn cls_9_a_preflight_is_recognised() {
        for target in ["/bucket/key", "/bucket?acl", "/"] {
            let request = classify(&head("OPTIONS", target), &addressing()).unwrap();
            assert_eq!(request.operation, Operation::Options);
            assert!(request.query.is_empty());
        }
    }

    #[test]
    fn cls_10_form_uploads_are_refused() {
        assert_eq!(refusal("POST", "/bucket"), Refusal::PostObject);
        assert_eq!(refusal("POST", "/bucket/"), Refusal::PostObject);
        for target in ["/bucket", "/", "/bucket?delete", "/bucket?foo"] {
            let mut head = head("POST", target);
            head.headers
                .push("content-type", "Multipart/Form-Data; boundary=x");
            assert_eq!(
                classify(&head, &addressing()),
                Err(Refusal::PostObject),
                "{target}"
            );
        }
        let mut head = head("POST", "/");
        head.authority = "bucket.s3.example.com".to_owned();
        assert_eq!(classify(&head, &addressing()), Err(Refusal::PostObject));
    }

    #[test]
    fn cls_11_other_vendors_interfaces_are_refused() {
        for (method, target) in [
            ("PUT", "/bucket/key?append&position=0"),
            ("PUT", "/bucket/key?Position=0"),
            ("PUT", "/bucket/key?compose"),
            ("POST", "/"),
            ("POST", "/?Action=AssumeRole"),
            ("GET", "/minio/health/live"),
            ("PUT", "/minio/admin/v3/add-user"),
            ("GET", "/admin/user"),
            ("GET", "/%61dmin/user"),
        ] {
            assert_eq!(
                refusal(method, target),
                Refusal::VendorExtension,
                "{method} {target}"
            );
        }
    }

    #[test]
    fn a_sub_resource_of_another_kind_of_resource_is_refused() {
        for (method, target, key) in [
            ("GET", "/bucket/key?uploads", "uploads"),
            ("GET", "/bucket/key?lifecycle", "lifecycle"),
            ("PUT", "/bucket/key?policy", "policy"),
            ("GET", "/bucket?uploadId=u", "uploadId"),
            ("POST", "/bucket?uploads", "uploads"),
            ("GET", "/?acl", "acl"),
        ] {
            assert_eq!(
                refusal(method, target),
                Refusal::MisplacedSubresource(key),
                "{target}"
            );
        }
    }

    #[test]
    fn get_13_part_numbers() {
        let request = classify(
            &head("GET", "/bucket/key?partNumber=10000&versionId=v"),
            &addressing(),
        )
        .unwrap();
        assert_eq!(request.part_number, Some(10_000));
        assert_eq!(request.query.canonical(), "versionId=v");
        for text in [
            "",
            "0",
            "-1",
            "+1",
            "10001",
            "1.0",
            "x",
            "65537",
            "99999999999999999999",
            "%201",
        ] {
            for (method, rest) in [("GET", ""), ("HEAD", ""), ("PUT", "&uploadId=u")] {
                assert_eq!(
                    refusal(method, &format!("/bucket/key?partNumber={text}{rest}")),
                    Refusal::InvalidParameter("partNumber"),
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn response_overrides_stay_here() {
        let request = classify(
            &head(
                "GET",
                "/bucket/key?response-content-type=text%2Fplain&response-expires=never",
            ),
            &addressing(),
        )
        .unwrap();
        assert!(request.query.is_empty());
        assert_eq!(
            request.response_overrides,
            [
                ("content-type", "text/plain".to_owned()),
                ("expires", "never".to_owned())
            ]
        );
        assert_eq!(
            refusal(
                "GET",
                "/bucket/key?response-content-type=a%0d%0aset-cookie:b"
            ),
            Refusal::InvalidParameter("response-*")
        );
    }

    #[test]
    fn etg_5_only_a_star_is_a_condition_that_the_store_can_keep() {
        for name in ["if-match", "if-none-match"] {
            for (value, expected) in [
                ("*", None),
                (" * ", None),
                ("\"x\"", Some(Refusal::Condition(name))),
                ("\"*\"", Some(Refusal::Condition(name))),
                ("", Some(Refusal::Condition(name))),
            ] {
                let mut put = head("PUT", "/bucket/key");
                put.headers.push(name, value);
                assert_eq!(
                    classify(&put, &addressing()).err(),
                    expected,
                    "{name}: {value}"
                );
                put.method = "GET".to_owned();
                assert!(classify(&put, &addressing()).is_ok());
            }
        }
    }

    #[test]
    fn put_12_what_describes_an_object_describes_the_stored_one() {
        let mut put = head("PUT", "/bucket/key");
        put.headers.push("content-encoding", "aws-chunked");
        let request = classify(&put, &addressing()).unwrap();
        assert!(!request.headers.contains("content-encoding"));
        assert_eq!(
            request.headers.text("content-type"),
            Some("binary/octet-stream")
        );
        put.headers.set("content-encoding", "aws-chunked,gzip");
        put.headers.set("content-type", "text/plain");
        let request = classify(&put, &addressing()).unwrap();
        assert_eq!(request.headers.text("content-encoding"), Some("gzip"));
        assert_eq!(request.headers.text("content-type"), Some("text/plain"));
        put.method = "GET".to_owned();
        put.headers.remove("content-type");
        assert!(
            !classify(&put, &addressing())
                .unwrap()
                .headers
                .contains("content-type")
        );
    }

    #[test]
    fn acls_other_than_the_default_ask_for_their_permission() {
        for (name, value, expected) in [
            ("x-amz-acl", "private", false),
            ("x-amz-acl", "public-read", true),
            ("x-amz-acl", "Private", true),
            ("x-amz-acl", "", true),
            ("x-amz-grant-read", "id=1", true),
            ("x-amz-tagging", "a=b", false),
        ] {
            let mut put = head("PUT", "/bucket/key");
            put.headers.push(name, value);
            let request = classify(&put, &addressing()).unwrap();
            assert_eq!(request.asks_for_acl(), expected, "{name}: {value}");
        }
        assert!(
            classify(&head("PUT", "/bucket/key?acl"), &addressing())
                .unwrap()
                .asks_for_acl()
        );
        let mut delete = head("DELETE", "/bucket/key");
        delete
            .headers
            .push("x-amz-bypass-governance-retention", "true");
        assert!(
            classify(&delete, &addressing())
                .unwrap()
                .asks_for_governance_bypass()
        );
    }

    #[test]
    fn upstream_targets_are_canonical() {
        for (target, path, virtual_host) in [
            (
                "/bucket/a b%2Fc+d%7e!(*)'",
                "/bucket/a%20b/c%2Bd~%21%28%2A%29%27",
                "/a%20b/c%2Bd~%21%28%2A%29%27",
            ),
            ("/bucket//a//", "/bucket//a//", "//a//"),
            ("/bucket/", "/bucket", "/"),
            ("/", "/", "/"),
        ] {
            let request = classify(&head("GET", target), &addressing()).unwrap();
            assert_eq!(request.upstream_target(StoreAddressing::Path), path);
            assert_eq!(
                request.upstream_target(StoreAddressing::VirtualHost),
                virtual_host
            );
        }
    }

    #[test]
    fn a_request_does_not_show_its_fields() {
        let mut head = head("GET", "/bucket/key");
        head.headers
            .push("x-amz-server-side-encryption-customer-key", "secret");
        let text = format!("{:?}", classify(&head, &addressing()).unwrap());
        assert!(
            text.contains("GetObject") && !text.contains("secret") && !text.contains("115, 101")
        );
    }

    #[test]
    fn store_addressing_is_read_from_configuration() {
        assert_eq!(
            serde_json::from_str::<[StoreAddressing; 2]>(r#"["path", "virtual-host"]"#).unwrap(),
            [StoreAddressing::Path, StoreAddressing::VirtualHost]
        );
    }

    fn any_method() -> impl Strategy<Value = String> {
        prop_oneof![
            8 => prop::sample::select(vec!["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"])
                .prop_map(str::to_owned),
            1 => "[A-Za-z]{0,6}",
        ]
    }

    fn any_parameter() -> impl Strategy<Value = String> {
        let known: Vec<String> = rows()
            .flat_map(|(_, row)| {
                row.subresource
                    .into_iter()
                    .chain(row.companion)
                    .chain(row.parameters.iter().copied())
            })
            .chain([
                "x-id",
                "x-amz-copy-source",
                "X-Amz-Signature",
                "response-expires",
            ])
            .map(str::to_owned)
            .collect();
        let value = prop_oneof!["", "=", "=[0-9]{1,3}", "=[a-z%;+/]{0,4}", "=%[0-9a-f]{2}"];
        (
            prop_oneof![6 => prop::sample::select(known), 1 => "[a-zA-Z%;+-]{0,8}"],
            value,
        )
            .prop_map(|(key, value)| key + &value)
    }

    fn any_target() -> impl Strategy<Value = String> {
        let path = prop_oneof![
            8 => "/(bucket|other\\.one)(/([a-z.%+ ü/]|%2[0-9a-f]|%2e|%c3%bc){0,12})?",
            1 => "/.{0,10}",
            1 => Just("/".to_owned()),
        ];
        let query = prop::collection::vec(any_parameter(), 0..4);
        (path, query).prop_map(|(path, query)| {
            if query.is_empty() {
                path
            } else {
                format!("{path}?{}", query.join("&"))
            }
        })
    }

    /// A request that is an operation, with an odd key and odd parameters.
    fn any_operation()
    -> impl Strategy<Value = (String, String, Option<(&'static str, &'static str)>)> {
        let key = "([a-z.+ü/]|%2[0-9a-f]|%c3%bc){1,12}";
        let more = prop_oneof![
            4 => Just(String::new()),
            1 => any_parameter(),
            1 => Just("versionId=v%2B1".to_owned()),
        ];
        (prop::sample::select(WIRE), key, more).prop_map(
            |((_, method, target, field), key, more)| {
                let target = target
                    .replace("/K", &format!("/{key}"))
                    .replacen("/B", "/bucket", 1);
                let mark = match (more.is_empty(), target.contains('?')) {
                    (true, _) => "",
                    (false, true) => "&",
                    (false, false) => "?",
                };
                (method.to_owned(), format!("{target}{mark}{more}"), field)
            },
        )
    }

    fn any_head() -> impl Strategy<Value = RequestHead> {
        let authority = prop_oneof![
            8 => Just("s3.example.com".to_owned()),
            2 => Just("bucket.s3.example.com:443".to_owned()),
            1 => "[a-z.:\\[\\]0-9]{0,12}",
        ];
        let name = prop_oneof![
            "[a-z_-]{0,10}",
            prop::sample::select(vec![
                "x-amz-copy-source",
                "content-type",
                "if-match",
                "x-amz-acl",
                "content-encoding",
            ])
            .prop_map(str::to_owned),
        ];
        let value = prop_oneof![
            prop::collection::vec(any::<u8>(), 0..8),
            "/?bucket/[a-z%?.]{0,8}".prop_map(String::into_bytes),
            "[ -~]{0,10}".prop_map(String::into_bytes),
        ];
        let fields = prop_oneof![
            2 => Just(Vec::new()),
            1 => prop::collection::vec((name, value), 0..3),
        ];
        let request = prop_oneof![
            1 => (any_method(), any_target()).prop_map(|(method, target)| (method, target, None)),
            2 => any_operation(),
        ];
        (request, authority, fields).prop_map(|((method, target, field), authority, fields)| {
            let mut headers: Headers = fields.into_iter().collect();
            if let Some((name, value)) = field {
                headers.push(name, value);
            }
            RequestHead {
                method,
                target,
                authority,
                headers,
            }
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn what_goes_upstream_is_read_as_the_same_request(head in any_head()) {
            let Ok(request) = classify(&head, &addressing()) else { return Ok(()) };
            if request.operation == Operation::WriteGetObjectResponse {
                return Ok(());
            }
            let bucket = request.bucket.clone();
            for style in [StoreAddressing::Path, StoreAddressing::VirtualHost] {
                let authority = match (style, &bucket) {
                    (StoreAddressing::VirtualHost, Some(bucket)) if bucket.to_ascii_lowercase() == *bucket =>
                        format!("{bucket}.s3.example.com"),
                    (StoreAddressing::VirtualHost, Some(_)) => continue,
                    (StoreAddressing::VirtualHost, None) | (StoreAddressing::Path, _) =>
                        "s3.example.com".to_owned(),
                };
                let upstream = RequestHead {
                    method: request.method.clone(),
                    target: request.upstream_target(style),
                    authority,
                    headers: request.headers.clone(),
                };
                let again = classify(&upstream, &addressing()).unwrap();
                prop_assert_eq!(again.operation, request.operation);
                prop_assert_eq!(&again.bucket, &request.bucket);
                prop_assert_eq!(&again.object_key, &request.object_key);
                prop_assert_eq!(again.query.canonical(), request.query.canonical());
                prop_assert_eq!(&again.headers, &request.headers);
                prop_assert_eq!(&again.copy_source, &request.copy_source);
                prop_assert_eq!(again.upstream_target(style), upstream.target);
            }
        }

        #[test]
        fn classification_never_panics(
            method in ".{0,8}",
            target in ".{0,60}",
            authority in ".{0,20}",
            fields in prop::collection::vec((".{0,20}", prop::collection::vec(any::<u8>(), 0..20)), 0..4),
        ) {
            let head = RequestHead { method, target, authority, headers: fields.into_iter().collect() };
            let _ = classify(&head, &addressing());
            for field in head.headers.iter() {
                for operation in Operation::ALL {
                    let _ = request_header_rule(*operation, &field.name);
                    let _ = response_header_allowed(*operation, &field.name);
                }
            }
        }

        #[test]
        fn any_key_survives_the_way_through(key in ".{1,40}") {
            let target = format!("/bucket/{}", uri::encode(key.as_bytes()));
            match classify(&head("GET", &target), &addressing()) {
                Ok(request) => prop_assert_eq!(request.object_key.as_deref(), Some(key.as_str())),
                Err(refusal) => {
                    prop_assert_eq!(refusal, Refusal::InvalidUri);
                    prop_assert!(key.contains(".."));
                }
            }
        }
    }

    fn addressing() -> Addressing {
        Addressing::new(
            vec!["s3.example.com".to_owned()],
            vec!["s3.example.com".to_owned()],
        )
    }

    fn head(method: &str, target: &str) -> RequestHead {
        RequestHead {
            method: method.to_owned(),
            target: target.to_owned(),
            authority: "s3.example.com".to_owned(),
            headers: Headers::new(),
        }
    }

    fn operation(method: &str, target: &str) -> Operation {
        classify(&head(method, target), &addressing())
            .unwrap()
            .operation
    }

    fn refusal(method: &str, target: &str) -> Refusal {
        classify(&head(method, target), &addressing()).unwrap_err()
    }

    const PRESIGNED: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=c&X-Amz-Date=d\
        &X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=s";

    const WIRE_ON_SERVICE: &[Operation] = &[
        Operation::ListBuckets,
        Operation::ListDirectoryBuckets,
        Operation::WriteGetObjectResponse,
    ];

    type Wire = (
        Operation,
        &'static str,
        &'static str,
        Option<(&'static str, &'static str)>,
    );

    const SOURCE: Option<(&str, &str)> = Some(("x-amz-copy-source", "source/key"));

    /// The table of §2 of the S3 rules, `/B` for the bucket.
    #[rustfmt::skip]
    const WIRE: &[Wire] = &[
        (Operation::CompleteMultipartUpload, "POST", "/B/K?uploadId=u", None),
        (Operation::CopyObject, "PUT", "/B/K", SOURCE),
        (Operation::CreateMultipartUpload, "POST", "/B/K?uploads", None),
        (Operation::GetObject, "GET", "/B/K", None),
        (Operation::GetObjectAttributes, "GET", "/B/K?attributes", None),
        (Operation::HeadObject, "HEAD", "/B/K", None),
        (Operation::ListObjectVersions, "GET", "/B?versions", None),
        (Operation::ListObjects, "GET", "/B", None),
        (Operation::ListObjectsV2, "GET", "/B?list-type=2", None),
        (Operation::ListParts, "GET", "/B/K?uploadId=u", None),
        (Operation::PutObject, "PUT", "/B/K", None),
        (Operation::UploadPart, "PUT", "/B/K?partNumber=7&uploadId=u", None),
        (Operation::UploadPartCopy, "PUT", "/B/K?partNumber=7&uploadId=u", SOURCE),
        (Operation::AbortMultipartUpload, "DELETE", "/B/K?uploadId=u", None),
        (Operation::DeleteObject, "DELETE", "/B/K", None),
        (Operation::DeleteObjects, "POST", "/B?delete", None),
        (Operation::ListBuckets, "GET", "/", None),
        (Operation::ListMultipartUploads, "GET", "/B?uploads", None),
        (Operation::RestoreObject, "POST", "/B/K?restore", None),
        (Operation::CreateSession, "GET", "/B?session", None),
        (Operation::GetObjectTorrent, "GET", "/B/K?torrent", None),
        (Operation::ListDirectoryBuckets, "GET", "/?max-directory-buckets=1", None),
        (Operation::RenameObject, "PUT", "/B/K?renameObject", Some(("x-amz-rename-source", "a"))),
        (Operation::SelectObjectContent, "POST", "/B/K?select&select-type=2", None),
        (Operation::WriteGetObjectResponse, "POST", "/WriteGetObjectResponse", None),
        (Operation::DeleteObjectTagging, "DELETE", "/B/K?tagging", None),
        (Operation::GetBucketAbac, "GET", "/B?abac", None),
        (Operation::GetBucketAccelerateConfiguration, "GET", "/B?accelerate", None),
        (Operation::GetBucketAcl, "GET", "/B?acl", None),
        (Operation::GetBucketAnalyticsConfiguration, "GET", "/B?analytics&id=i", None),
        (Operation::GetBucketCors, "GET", "/B?cors", None),
        (Operation::GetBucketEncryption, "GET", "/B?encryption", None),
        (Operation::GetBucketIntelligentTieringConfiguration, "GET", "/B?intelligent-tiering&id=i", None),
        (Operation::GetBucketInventoryConfiguration, "GET", "/B?inventory&id=i", None),
        (Operation::GetBucketLifecycleConfiguration, "GET", "/B?lifecycle", None),
        (Operation::GetBucketLocation, "GET", "/B?location", None),
        (Operation::GetBucketLogging, "GET", "/B?logging", None),
        (Operation::GetBucketMetadataConfiguration, "GET", "/B?metadataConfiguration", None),
        (Operation::GetBucketMetadataTableConfiguration, "GET", "/B?metadataTable", None),
        (Operation::GetBucketMetricsConfiguration, "GET", "/B?metrics&id=i", None),
        (Operation::GetBucketNotificationConfiguration, "GET", "/B?notification", None),
        (Operation::GetBucketOwnershipControls, "GET", "/B?ownershipControls", None),
        (Operation::GetBucketPolicy, "GET", "/B?policy", None),
        (Operation::GetBucketPolicyStatus, "GET", "/B?policyStatus", None),
        (Operation::GetBucketReplication, "GET", "/B?replication", None),
        (Operation::GetBucketRequestPayment, "GET", "/B?requestPayment", None),
        (Operation::GetBucketTagging, "GET", "/B?tagging", None),
        (Operation::GetBucketVersioning, "GET", "/B?versioning", None),
        (Operation::GetBucketWebsite, "GET", "/B?website", None),
        (Operation::GetObjectAcl, "GET", "/B/K?acl", None),
        (Operation::GetObjectLegalHold, "GET", "/B/K?legal-hold", None),
        (Operation::GetObjectLockConfiguration, "GET", "/B?object-lock", None),
        (Operation::GetObjectRetention, "GET", "/B/K?retention", None),
        (Operation::GetObjectTagging, "GET", "/B/K?tagging", None),
        (Operation::GetPublicAccessBlock, "GET", "/B?publicAccessBlock", None),
        (Operation::HeadBucket, "HEAD", "/B", None),
        (Operation::ListBucketAnalyticsConfigurations, "GET", "/B?analytics", None),
        (Operation::ListBucketIntelligentTieringConfigurations, "GET", "/B?intelligent-tiering", None),
        (Operation::ListBucketInventoryConfigurations, "GET", "/B?inventory", None),
        (Operation::ListBucketMetricsConfigurations, "GET", "/B?metrics", None),
        (Operation::PutObjectLegalHold, "PUT", "/B/K?legal-hold", None),
        (Operation::PutObjectRetention, "PUT", "/B/K?retention", None),
        (Operation::PutObjectTagging, "PUT", "/B/K?tagging", None),
        (Operation::CreateBucket, "PUT", "/B", None),
        (Operation::CreateBucketMetadataConfiguration, "POST", "/B?metadataConfiguration", None),
        (Operation::CreateBucketMetadataTableConfiguration, "POST", "/B?metadataTable", None),
        (Operation::DeleteBucket, "DELETE", "/B", None),
        (Operation::DeleteBucketAnalyticsConfiguration, "DELETE", "/B?analytics&id=i", None),
        (Operation::DeleteBucketCors, "DELETE", "/B?cors", None),
        (Operation::DeleteBucketEncryption, "DELETE", "/B?encryption", None),
        (Operation::DeleteBucketIntelligentTieringConfiguration, "DELETE", "/B?intelligent-tiering&id=i", None),
        (Operation::DeleteBucketInventoryConfiguration, "DELETE", "/B?inventory&id=i", None),
        (Operation::DeleteBucketLifecycle, "DELETE", "/B?lifecycle", None),
        (Operation::DeleteBucketMetadataConfiguration, "DELETE", "/B?metadataConfiguration", None),
        (Operation::DeleteBucketMetadataTableConfiguration, "DELETE", "/B?metadataTable", None),
        (Operation::DeleteBucketMetricsConfiguration, "DELETE", "/B?metrics&id=i", None),
        (Operation::DeleteBucketOwnershipControls, "DELETE", "/B?ownershipControls", None),
        (Operation::DeleteBucketPolicy, "DELETE", "/B?policy", None),
        (Operation::DeleteBucketReplication, "DELETE", "/B?replication", None),
        (Operation::DeleteBucketTagging, "DELETE", "/B?tagging", None),
        (Operation::DeleteBucketWebsite, "DELETE", "/B?website", None),
        (Operation::DeletePublicAccessBlock, "DELETE", "/B?publicAccessBlock", None),
        (Operation::PutBucketAbac, "PUT", "/B?abac", None),
        (Operation::PutBucketAccelerateConfiguration, "PUT", "/B?accelerate", None),
        (Operation::PutBucketAcl, "PUT", "/B?acl", None),
        (Operation::PutBucketAnalyticsConfiguration, "PUT", "/B?analytics&id=i", None),
        (Operation::PutBucketCors, "PUT", "/B?cors", None),
        (Operation::PutBucketEncryption, "PUT", "/B?encryption", None),
        (Operation::PutBucketIntelligentTieringConfiguration, "PUT", "/B?intelligent-tiering&id=i", None),
        (Operation::PutBucketInventoryConfiguration, "PUT", "/B?inventory&id=i", None),
        (Operation::PutBucketLifecycleConfiguration, "PUT", "/B?lifecycle", None),
        (Operation::PutBucketLogging, "PUT", "/B?logging", None),
        (Operation::PutBucketMetricsConfiguration, "PUT", "/B?metrics&id=i", None),
        (Operation::PutBucketNotificationConfiguration, "PUT", "/B?notification", None),
        (Operation::PutBucketOwnershipControls, "PUT", "/B?ownershipControls", None),
        (Operation::PutBucketPolicy, "PUT", "/B?policy", None),
        (Operation::PutBucketReplication, "PUT", "/B?replication", None),
        (Operation::PutBucketRequestPayment, "PUT", "/B?requestPayment", None),
        (Operation::PutBucketTagging, "PUT", "/B?tagging", None),
        (Operation::PutBucketVersioning, "PUT", "/B?versioning", None),
        (Operation::PutBucketWebsite, "PUT", "/B?website", None),
        (Operation::PutObjectAcl, "PUT", "/B/K?acl", None),
        (Operation::PutObjectLockConfiguration, "PUT", "/B?object-lock", None),
        (Operation::PutPublicAccessBlock, "PUT", "/B?publicAccessBlock", None),
        (Operation::UpdateBucketMetadataInventoryTableConfiguration, "PUT", "/B?metadataInventoryTable", None),
        (Operation::UpdateBucketMetadataJournalTableConfiguration, "PUT", "/B?metadataJournalTable", None),
        (Operation::UpdateObjectEncryption, "PUT", "/B/K?encryption", None),
        (Operation::Options, "OPTIONS", "/B", None),
    ];
}
