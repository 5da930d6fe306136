//! A request's event as API Gateway hands it over: whatever it holds, nobody without the token gets in.

#![no_main]

use shared::request::authorize;

/// The SHA-256 of a token that no corpus holds.
const TOKEN_DIGEST: [u8; 32] = [7; 32];

libfuzzer_sys::fuzz_target!(|event: &str| {
    // The library decodes base64 before we see it, and panics where it is none; API Gateway never sends such an event.
    if event.contains("isBase64Encoded") {
        return;
    }
    let Ok(request) = lambda_http::request::from_str(event) else { return };
    let config = shared::testing::push_config(vec![TOKEN_DIGEST]);
    assert!(authorize(request, &config).is_err(), "nobody knows the token");
});
