//! The store in a bucket, over a real S3 server on the loopback.

mod environment;
mod faults;
mod killed;
mod laws;
mod losses;
mod pipeline;
mod speed;
mod support;
