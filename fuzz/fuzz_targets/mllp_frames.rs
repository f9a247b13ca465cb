//! Any bytes on an MLLP connection: frames come out whole, none larger than the limit, and the stream ends.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use watari::intake::mllp::framing::{Frame, FrameReader, Limits};

const LARGEST: usize = 512;

fuzz_target!(|bytes: &[u8]| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let limits = Limits { largest: LARGEST, message: Duration::from_secs(1), idle: Duration::from_secs(1) };
    runtime.block_on(async {
        let mut frames = FrameReader::new(bytes, limits);
        for _ in 0..=bytes.len() {
            match frames.next().await {
                Frame::Message(message) => assert!(message.len() <= LARGEST),
                Frame::End | Frame::Broken(..) => return,
            }
        }
        panic!("more frames than bytes");
    });
});
