//! S3's operations, one row each: how a request for one is recognised, and what is done with it.
//!
//! The rows are the 111 operations of the S3 model (2006-03-01), `PostObject`, the form upload
//! that the model leaves out, and the CORS preflight.

use Action::{Admin, Block, Forward, Rewrite, Transform};
use Level::{Bucket, Elsewhere, Object, Service};
use Permission::{Acl, BucketAdmin, Delete, List, Read, ReadConfig, Write};

/// What the filter does with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Transforms a body or what the answer says of sizes and ETags.
    Transform,
    /// Forwards with a small change to the request or the answer.
    Rewrite,
    /// Forwards unchanged but for address, fields and signature.
    Forward,
    /// Forwards as [`Action::Forward`] does; the operation changes a bucket's configuration.
    Admin,
    /// Refuses: it would bypass the encryption, or can't work on ciphertext.
    Block,
}

/// What a client must be allowed to do to ask for an operation (AUT-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Reads objects, their tags, ACLs and locks.
    Read,
    /// Writes objects, their tags and locks, and carries on multipart uploads.
    Write,
    /// Deletes objects and versions.
    Delete,
    /// Lists buckets, objects, versions and uploads.
    List,
    /// Reads a bucket's configuration.
    ReadConfig,
    /// Creates, configures and deletes buckets.
    BucketAdmin,
    /// Sets ACLs that grant something.
    Acl,
}

/// A method that S3 knows ([RFC 9110 §9]; compared byte for byte).
///
/// [RFC 9110 §9]: https://www.rfc-editor.org/rfc/rfc9110#section-9
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Get,
    Head,
    Put,
    Post,
    Delete,
    Options,
}

impl Method {
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text {
            "GET" => Some(Self::Get),
            "HEAD" => Some(Self::Head),
            "PUT" => Some(Self::Put),
            "POST" => Some(Self::Post),
            "DELETE" => Some(Self::Delete),
            "OPTIONS" => Some(Self::Options),
            _ => None,
        }
    }

    /// Tells whether a request with this method changes nothing.
    pub(super) fn is_safe(self) -> bool {
        match self {
            Self::Get | Self::Head | Self::Options => true,
            Self::Put | Self::Post | Self::Delete => false,
        }
    }
}

/// What a request's address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Service,
    Bucket,
    Object,
    /// Not told by the address alone; no row of this level is matched.
    Elsewhere,
}

/// How one operation is recognised, and what is done with it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) method: Method,
    pub(super) level: Level,
    /// The query key that selects the operation.
    pub(super) subresource: Option<&'static str>,
    /// A query key that must be there as well.
    pub(super) companion: Option<&'static str>,
    /// Whether `x-amz-copy-source` tells this operation from another one.
    pub(super) copies: bool,
    pub(super) action: Action,
    pub(super) permission: Permission,
    pub(super) expects_body: bool,
    /// The other query keys that reach the store.
    pub(super) parameters: &'static [&'static str],
}

impl Row {
    const fn subresource(mut self, key: &'static str) -> Self {
        self.subresource = Some(key);
        self
    }

    const fn with(mut self, key: &'static str) -> Self {
        self.companion = Some(key);
        self
    }

    const fn copying(mut self) -> Self {
        self.copies = true;
        self
    }

    const fn body(mut self) -> Self {
        self.expects_body = true;
        self
    }

    const fn parameters(mut self, keys: &'static [&'static str]) -> Self {
        self.parameters = keys;
        self
    }
}

macro_rules! operations {
    ($($name:ident = $row:expr;)*) => {
        /// An S3 operation.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Operation {
            $(
                #[doc = concat!("S3's `", stringify!($name), "`.")]
                $name,
            )*
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// S3's name of the operation.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)*
                }
            }

            pub(super) fn row(self) -> &'static Row {
                match self {
                    $(Self::$name => {
                        const ROW: Row = $row;
                        &ROW
                    })*
                }
            }
        }
    };
}

operations! {
    CompleteMultipartUpload = post(Object, Transform, Write).subresource("uploadId").body();
    CopyObject = put(Object, Transform, Write).copying();
    CreateMultipartUpload = post(Object, Transform, Write).subresource("uploads");
    GetObject = get(Object, Transform, Read).parameters(VERSION);
    GetObjectAttributes = get(Object, Transform, Read).subresource("attributes").parameters(VERSION);
    HeadObject = head(Object, Transform, Read).parameters(VERSION);
    ListObjectVersions = get(Bucket, Transform, List).subresource("versions")
        .parameters(&["delimiter", "encoding-type", "key-marker", "max-keys", "prefix", "version-id-marker"]);
    ListObjects = get(Bucket, Transform, List)
        .parameters(&["delimiter", "encoding-type", "marker", "max-keys", "prefix"]);
    ListObjectsV2 = get(Bucket, Transform, List).subresource("list-type")
        .parameters(&["continuation-token", "delimiter", "encoding-type", "fetch-owner", "max-keys", "prefix", "start-after"]);
    ListParts = get(Object, Transform, Write).subresource("uploadId")
        .parameters(&["encoding-type", "max-parts", "part-number-marker"]);
    PutObject = put(Object, Transform, Write).body();
    UploadPart = put(Object, Transform, Write).subresource("uploadId").with("partNumber").body();
    UploadPartCopy = put(Object, Transform, Write).subresource("uploadId").with("partNumber").copying();

    AbortMultipartUpload = delete(Object, Rewrite, Write).subresource("uploadId");
    DeleteObject = delete(Object, Rewrite, Delete).parameters(VERSION);
    DeleteObjects = post(Bucket, Rewrite, Delete).subresource("delete").body();
    ListBuckets = get(Service, Rewrite, List)
        .parameters(&["bucket-region", "continuation-token", "max-buckets", "prefix"]);
    ListMultipartUploads = get(Bucket, Rewrite, List).subresource("uploads")
        .parameters(&["delimiter", "encoding-type", "key-marker", "max-uploads", "prefix", "upload-id-marker"]);
    RestoreObject = post(Object, Rewrite, Write).subresource("restore").body().parameters(VERSION);

    CreateSession = get(Bucket, Block, Read).subresource("session");
    GetObjectTorrent = get(Object, Block, Read).subresource("torrent");
    ListDirectoryBuckets = get(Service, Block, List).with("max-directory-buckets")
        .parameters(&["continuation-token"]);
    RenameObject = put(Object, Block, Write).subresource("renameObject");
    SelectObjectContent = post(Object, Block, Read).subresource("select").body().parameters(&["select-type"]);
    WriteGetObjectResponse = post(Elsewhere, Block, Write).body();

    DeleteObjectTagging = delete(Object, Forward, Delete).subresource("tagging").parameters(VERSION);
    GetBucketAbac = get(Bucket, Forward, ReadConfig).subresource("abac");
    GetBucketAccelerateConfiguration = get(Bucket, Forward, ReadConfig).subresource("accelerate");
    GetBucketAcl = get(Bucket, Forward, ReadConfig).subresource("acl");
    GetBucketAnalyticsConfiguration = get(Bucket, Forward, ReadConfig).subresource("analytics").with("id");
    GetBucketCors = get(Bucket, Forward, ReadConfig).subresource("cors");
    GetBucketEncryption = get(Bucket, Forward, ReadConfig).subresource("encryption");
    GetBucketIntelligentTieringConfiguration = get(Bucket, Forward, ReadConfig).subresource("intelligent-tiering").with("id");
    GetBucketInventoryConfiguration = get(Bucket, Forward, ReadConfig).subresource("inventory").with("id");
    GetBucketLifecycle = get(Bucket, Forward, ReadConfig).subresource("lifecycle");
    GetBucketLifecycleConfiguration = get(Bucket, Forward, ReadConfig).subresource("lifecycle");
    // Clients ask where a bucket is before they do anything with it.
    GetBucketLocation = get(Bucket, Forward, List).subresource("location");
    GetBucketLogging = get(Bucket, Forward, ReadConfig).subresource("logging");
    GetBucketMetadataConfiguration = get(Bucket, Forward, ReadConfig).subresource("metadataConfiguration");
    GetBucketMetadataTableConfiguration = get(Bucket, Forward, ReadConfig).subresource("metadataTable");
    GetBucketMetricsConfiguration = get(Bucket, Forward, ReadConfig).subresource("metrics").with("id");
    GetBucketNotification = get(Bucket, Forward, ReadConfig).subresource("notification");
    GetBucketNotificationConfiguration = get(Bucket, Forward, ReadConfig).subresource("notification");
    GetBucketOwnershipControls = get(Bucket, Forward, ReadConfig).subresource("ownershipControls");
    GetBucketPolicy = get(Bucket, Forward, ReadConfig).subresource("policy");
    GetBucketPolicyStatus = get(Bucket, Forward, ReadConfig).subresource("policyStatus");
    GetBucketReplication = get(Bucket, Forward, ReadConfig).subresource("replication");
    GetBucketRequestPayment = get(Bucket, Forward, ReadConfig).subresource("requestPayment");
    GetBucketTagging = get(Bucket, Forward, ReadConfig).subresource("tagging");
    GetBucketVersioning = get(Bucket, Forward, ReadConfig).subresource("versioning");
    GetBucketWebsite = get(Bucket, Forward, ReadConfig).subresource("website");
    GetObjectAcl = get(Object, Forward, Read).subresource("acl").parameters(VERSION);
    GetObjectLegalHold = get(Object, Forward, Read).subresource("legal-hold").parameters(VERSION);
    GetObjectLockConfiguration = get(Bucket, Forward, ReadConfig).subresource("object-lock");
    GetObjectRetention = get(Object, Forward, Read).subresource("retention").parameters(VERSION);
    GetObjectTagging = get(Object, Forward, Read).subresource("tagging").parameters(VERSION);
    GetPublicAccessBlock = get(Bucket, Forward, ReadConfig).subresource("publicAccessBlock");
    HeadBucket = head(Bucket, Forward, List);
    ListBucketAnalyticsConfigurations = get(Bucket, Forward, ReadConfig).subresource("analytics")
        .parameters(CONTINUATION);
    ListBucketIntelligentTieringConfigurations = get(Bucket, Forward, ReadConfig).subresource("intelligent-tiering")
        .parameters(CONTINUATION);
    ListBucketInventoryConfigurations = get(Bucket, Forward, ReadConfig).subresource("inventory")
        .parameters(CONTINUATION);
    ListBucketMetricsConfigurations = get(Bucket, Forward, ReadConfig).subresource("metrics")
        .parameters(CONTINUATION);
    PutObjectLegalHold = put(Object, Forward, Write).subresource("legal-hold").body().parameters(VERSION);
    PutObjectRetention = put(Object, Forward, Write).subresource("retention").body().parameters(VERSION);
    PutObjectTagging = put(Object, Forward, Write).subresource("tagging").body().parameters(VERSION);

    CreateBucket = put(Bucket, Admin, BucketAdmin).body();
    CreateBucketMetadataConfiguration = post(Bucket, Admin, BucketAdmin).subresource("metadataConfiguration").body();
    CreateBucketMetadataTableConfiguration = post(Bucket, Admin, BucketAdmin).subresource("metadataTable").body();
    DeleteBucket = delete(Bucket, Admin, BucketAdmin);
    DeleteBucketAnalyticsConfiguration = delete(Bucket, Admin, BucketAdmin).subresource("analytics").with("id");
    DeleteBucketCors = delete(Bucket, Admin, BucketAdmin).subresource("cors");
    DeleteBucketEncryption = delete(Bucket, Admin, BucketAdmin).subresource("encryption");
    DeleteBucketIntelligentTieringConfiguration = delete(Bucket, Admin, BucketAdmin).subresource("intelligent-tiering").with("id");
    DeleteBucketInventoryConfiguration = delete(Bucket, Admin, BucketAdmin).subresource("inventory").with("id");
    DeleteBucketLifecycle = delete(Bucket, Admin, BucketAdmin).subresource("lifecycle");
    DeleteBucketMetadataConfiguration = delete(Bucket, Admin, BucketAdmin).subresource("metadataConfiguration");
    DeleteBucketMetadataTableConfiguration = delete(Bucket, Admin, BucketAdmin).subresource("metadataTable");
    DeleteBucketMetricsConfiguration = delete(Bucket, Admin, BucketAdmin).subresource("metrics").with("id");
    DeleteBucketOwnershipControls = delete(Bucket, Admin, BucketAdmin).subresource("ownershipControls");
    DeleteBucketPolicy = delete(Bucket, Admin, BucketAdmin).subresource("policy");
    DeleteBucketReplication = delete(Bucket, Admin, BucketAdmin).subresource("replication");
    DeleteBucketTagging = delete(Bucket, Admin, BucketAdmin).subresource("tagging");
    DeleteBucketWebsite = delete(Bucket, Admin, BucketAdmin).subresource("website");
    DeletePublicAccessBlock = delete(Bucket, Admin, BucketAdmin).subresource("publicAccessBlock");
    PutBucketAbac = put(Bucket, Admin, BucketAdmin).subresource("abac").body();
    PutBucketAccelerateConfiguration = put(Bucket, Admin, BucketAdmin).subresource("accelerate").body();
    PutBucketAcl = put(Bucket, Admin, BucketAdmin).subresource("acl").body();
    PutBucketAnalyticsConfiguration = put(Bucket, Admin, BucketAdmin).subresource("analytics").with("id").body();
    PutBucketCors = put(Bucket, Admin, BucketAdmin).subresource("cors").body();
    PutBucketEncryption = put(Bucket, Admin, BucketAdmin).subresource("encryption").body();
    PutBucketIntelligentTieringConfiguration = put(Bucket, Admin, BucketAdmin).subresource("intelligent-tiering").with("id").body();
    PutBucketInventoryConfiguration = put(Bucket, Admin, BucketAdmin).subresource("inventory").with("id").body();
    PutBucketLifecycle = put(Bucket, Admin, BucketAdmin).subresource("lifecycle").body();
    PutBucketLifecycleConfiguration = put(Bucket, Admin, BucketAdmin).subresource("lifecycle").body();
    PutBucketLogging = put(Bucket, Admin, BucketAdmin).subresource("logging").body();
    PutBucketMetricsConfiguration = put(Bucket, Admin, BucketAdmin).subresource("metrics").with("id").body();
    PutBucketNotification = put(Bucket, Admin, BucketAdmin).subresource("notification").body();
    PutBucketNotificationConfiguration = put(Bucket, Admin, BucketAdmin).subresource("notification").body();
    PutBucketOwnershipControls = put(Bucket, Admin, BucketAdmin).subresource("ownershipControls").body();
    PutBucketPolicy = put(Bucket, Admin, BucketAdmin).subresource("policy").body();
    PutBucketReplication = put(Bucket, Admin, BucketAdmin).subresource("replication").body();
    PutBucketRequestPayment = put(Bucket, Admin, BucketAdmin).subresource("requestPayment").body();
    PutBucketTagging = put(Bucket, Admin, BucketAdmin).subresource("tagging").body();
    PutBucketVersioning = put(Bucket, Admin, BucketAdmin).subresource("versioning").body();
    PutBucketWebsite = put(Bucket, Admin, BucketAdmin).subresource("website").body();
    PutObjectAcl = put(Object, Admin, Acl).subresource("acl").body().parameters(VERSION);
    PutObjectLockConfiguration = put(Bucket, Admin, BucketAdmin).subresource("object-lock").body();
    PutPublicAccessBlock = put(Bucket, Admin, BucketAdmin).subresource("publicAccessBlock").body();
    UpdateBucketMetadataInventoryTableConfiguration = put(Bucket, Admin, BucketAdmin).subresource("metadataInventoryTable").body();
    UpdateBucketMetadataJournalTableConfiguration = put(Bucket, Admin, BucketAdmin).subresource("metadataJournalTable").body();
    UpdateObjectEncryption = put(Object, Block, BucketAdmin).subresource("encryption").body().parameters(VERSION);

    // Classification refuses it with a refusal of its own; it is here to be named.
    PostObject = post(Elsewhere, Block, Write).body();
    Options = row(Method::Options, Elsewhere, Forward, Read);
}

impl Operation {
    /// Tells whether the operation lists objects, under a prefix if its query has one.
    pub fn lists_objects(self) -> bool {
        matches!(
            self,
            Self::ListObjects | Self::ListObjectsV2 | Self::ListObjectVersions
        )
    }

    /// What the filter does with the operation.
    pub fn action(self) -> Action {
        self.row().action
    }

    /// What a client must be allowed to do.
    ///
    /// Fields may ask for more: [`Request::asks_for_acl`](super::Request::asks_for_acl),
    /// [`Request::asks_for_governance_bypass`](super::Request::asks_for_governance_bypass), and
    /// the source of a copy.
    pub fn permission(self) -> Permission {
        self.row().permission
    }

    /// Tells whether the operation takes a body.
    pub fn expects_body(self) -> bool {
        self.row().expects_body
    }

    /// Tells whether the operation is an old name for another one, on the wire the same.
    pub(super) fn is_former_name(self) -> bool {
        matches!(
            self,
            Self::GetBucketLifecycle
                | Self::GetBucketNotification
                | Self::PutBucketLifecycle
                | Self::PutBucketNotification
        )
    }

    /// Tells whether a client may have meant this operation by `name`.
    pub(super) fn is_called(self, name: &str) -> bool {
        self.name() == name
            || Self::ALL.iter().any(|other| {
                other.is_former_name()
                    && other.name() == name
                    && other.row().method == self.row().method
                    && other.row().subresource == self.row().subresource
            })
    }
}

/// Tells whether `key` is a query key that selects an operation.
pub(super) fn is_subresource(key: &str) -> bool {
    Operation::ALL
        .iter()
        .any(|operation| operation.row().subresource == Some(key))
}

/// The sub-resource that equals `key` but for the case of its letters.
pub(super) fn subresource_ignoring_case(key: &str) -> Option<&'static str> {
    Operation::ALL
        .iter()
        .filter_map(|operation| operation.row().subresource)
        .find(|subresource| subresource.eq_ignore_ascii_case(key))
}

const fn get(level: Level, action: Action, permission: Permission) -> Row {
    row(Method::Get, level, action, permission)
}

const fn head(level: Level, action: Action, permission: Permission) -> Row {
    row(Method::Head, level, action, permission)
}

const fn put(level: Level, action: Action, permission: Permission) -> Row {
    row(Method::Put, level, action, permission)
}

const fn post(level: Level, action: Action, permission: Permission) -> Row {
    row(Method::Post, level, action, permission)
}

const fn delete(level: Level, action: Action, permission: Permission) -> Row {
    row(Method::Delete, level, action, permission)
}

const fn row(method: Method, level: Level, action: Action, permission: Permission) -> Row {
    Row {
        method,
        level,
        subresource: None,
        companion: None,
        copies: false,
        action,
        permission,
        expects_body: false,
        parameters: &[],
    }
}

const VERSION: &[&str] = &["versionId"];

const CONTINUATION: &[&str] = &["continuation-token"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_every_operation_of_the_model_once() {
        let count = |action: Action| {
            Operation::ALL
                .iter()
                .filter(|operation| {
                    !matches!(operation, Operation::PostObject | Operation::Options)
                })
                .filter(|operation| operation.action() == action)
                .count()
        };
        // UpdateObjectEncryption is blocked, because to a store that does not know it it is a
        // PutObject: MinIO and Ceph would store its document in place of the object.
        assert_eq!(
            [Transform, Rewrite, Block, Forward, Admin].map(count),
            [13, 6, 7, 40, 45]
        );
        let mut names: Vec<_> = Operation::ALL
            .iter()
            .map(|operation| operation.name())
            .collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 113);
    }

    #[test]
    fn no_two_rows_match_the_same_request() {
        let mut seen = Vec::new();
        for operation in Operation::ALL {
            let row = operation.row();
            if operation.is_former_name() || row.level == Elsewhere {
                continue;
            }
            let wire = format!(
                "{:?} {:?} {:?} {:?} {}",
                row.method, row.level, row.subresource, row.companion, row.copies
            );
            assert!(!seen.contains(&wire), "{wire}");
            seen.push(wire);
        }
    }

    #[test]
    fn changing_a_buckets_configuration_needs_its_own_permission() {
        for operation in Operation::ALL {
            match operation.action() {
                Admin => assert!(
                    matches!(operation.permission(), BucketAdmin | Acl),
                    "{}",
                    operation.name()
                ),
                Block => {}
                Transform | Rewrite | Forward => assert!(
                    !matches!(operation.permission(), BucketAdmin | Acl),
                    "{}",
                    operation.name()
                ),
            }
        }
    }

    #[test]
    fn a_read_takes_no_body() {
        for operation in Operation::ALL {
            if matches!(
                operation.row().method,
                Method::Get | Method::Head | Method::Delete
            ) {
                assert!(!operation.expects_body(), "{}", operation.name());
            }
        }
    }
}
