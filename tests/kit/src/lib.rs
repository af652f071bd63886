//! What every test leans on: wheels made in memory, an index on the loopback, the real binary in a
//! clean place.
//!
//! In: a test's description of a world. Out: that world, and what happened in it.
//! Never: reaches the network beyond 127.0.0.1; leaves files behind.
#![expect(
    clippy::missing_panics_doc,
    reason = "a test kit fails by panicking, so that the test fails where it stands"
)]

pub mod archive;
pub mod calls;
mod context;
mod dictated;
mod index;
pub mod lambda;
pub mod locks;
mod loopback;
mod ministack;
mod programs;
mod python;
mod runtime_api;
pub mod s3_proxy;
pub mod scenario;
pub mod sdist;
pub mod seaweed;
mod snapshot;
mod tool;
mod wheel;

pub use context::{Output, TestContext};
pub use dictated::{Dictated, Say};
pub use index::{
    Failure, IndexFile, IndexServer, Listing, MetadataFile, Packages, RequestLog, Rule, UPLOAD_TIME,
};
pub use ministack::MiniStack;
pub use programs::Programs;
pub use python::python;
pub use runtime_api::{Answer, FunctionProcess, FunctionSetup};
pub use sdist::SdistBuilder;
pub use wheel::{Flaw, Layout, MemberFile, Wheel, WheelBuilder, normalise};
