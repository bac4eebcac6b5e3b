//! Whatever a store gives as an envelope: it is refused, for it can't know the key.

#![no_main]

use libfuzzer_sys::fuzz_target;
use s3_envelope::envelope::{Envelope, Name};
use s3_envelope::key_wrap::{Binding, Kek};

fuzz_target!(|value: &[u8]| {
    if let (Ok(envelope), Ok(kek)) = (Envelope::parse(value), Kek::new([1; 32])) {
        let name = Name {
            binding: Binding::None,
            bucket: "bucket",
            object_key: "key",
        };
        assert!(envelope.open(&kek, &name).is_err());
    }
});
