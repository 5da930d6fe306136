//! A body of `alicom-call-note`: whatever it holds, the same is made of it each time, and it can be stored.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| testkit::check_body(&alicom_call_note::PUSH, body));
