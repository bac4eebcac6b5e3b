//! Envelope encryption of S3 objects on their way through an HTTP proxy: the sans-IO core.
//!
//! The crate names no host, clock, randomness source or log. A host hands it the heads and body
//! chunks of one HTTP exchange, the time and random bytes, and carries out what it returns.

#![forbid(unsafe_code)]

pub mod aws_chunked;
pub mod callout;
pub mod checksum;
pub mod conditions;
pub mod config;
pub mod envelope;
pub mod error;
pub mod etag;
pub mod exchange;
pub mod head;
pub mod key_cache;
pub mod key_service;
pub mod key_wrap;
pub mod listing;
pub mod operation;
pub mod range;
pub mod s3_error;
pub mod segment;
pub mod sigv4;
pub mod time;
pub mod uri;
