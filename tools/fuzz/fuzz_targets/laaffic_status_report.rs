//! A body of `laaffic-status-report`: whatever it holds, the same is made of it each time, and it can be stored.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| testkit::check_body(&laaffic_status_report::PUSH, body));
