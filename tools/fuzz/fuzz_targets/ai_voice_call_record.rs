//! A body of `ai-voice-call-record`: whatever it holds, the same is made of it each time, and it can be stored.

#![no_main]

libfuzzer_sys::fuzz_target!(|body: &[u8]| testkit::check_body(&ai_voice_call_record::PUSH, body));
