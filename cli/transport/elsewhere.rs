//! The builder in this very process, for bundles that no run of this machine can use.
//!
//! In: requests to build. Out: the lines that a remote side would send. Never: runs or unpacks.

use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_builder::bytecode::Compiler;
use pyrun_core::protocol::{BuildRequest, Frame, RunRequest};
use pyrun_core::{Code, Fault, LockHash};
use tokio::sync::mpsc;

use super::local::{hello, pass_on};
use super::{Answer, Transport};

/// Reaches the builder directly.
#[derive(Debug)]
pub struct Elsewhere {
    builder: Arc<Builder>,
    compiler: Compiler,
}

impl Elsewhere {
    /// A transport to a builder. Whether the compiler's bytecode is that of the target is for the
    /// caller to know: it asks for none otherwise.
    pub fn new(builder: Builder, compiler: Compiler) -> Self {
        Self {
            builder: builder.into(),
            compiler,
        }
    }
}

impl Transport for Elsewhere {
    fn build(&self, request: BuildRequest) -> Answer {
        let builder = Arc::clone(&self.builder);
        let compiler = self.compiler.clone();
        Answer::new(async move |lines| {
            hello(&lines).await;
            let (frames, mut spoken) = mpsc::channel::<Frame>(64);
            let work = async move { builder.answer(request, &compiler, &frames).await };
            tokio::join!(work, pass_on(&mut spoken, &lines));
        })
    }

    fn prepare(&self, _lock: LockHash, _hold_ms: u64) -> Answer {
        refused()
    }

    fn run(&self, _request: RunRequest) -> Answer {
        refused()
    }
}

fn refused() -> Answer {
    Answer::new(async move |lines| {
        let fault = Fault::new(
            Code::USAGE,
            "a bundle for another platform can't be used on this machine",
        );
        // Nobody listens any more only when the question was taken back.
        let _ = lines.send(Frame::Fault(fault).to_line()).await;
    })
}
