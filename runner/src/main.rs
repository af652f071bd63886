//! The runner as a deployed function.
//!
//! In: questions to run a function, or to have its bundle at hand. Out: frames. Never: lets the
//! user's code see a credential of the function; leaves a process behind when a call is answered,
//! since the environment is frozen then.

use std::process::ExitCode;

use async_trait::async_trait;
use pyrun_aws::function::{self, Call, Function, Place};
use pyrun_core::Fault;
use pyrun_core::protocol::{Ask, Frame};
use pyrun_runner::interpreter::Interpreter;
use pyrun_runner::{Runner, Surroundings, worker};
use tokio::sync::{mpsc, watch};

struct Deployed {
    runner: Runner,
}

#[async_trait]
impl Function for Deployed {
    const NAME: &'static str = "runner";

    async fn open(place: Place) -> Result<Self, Fault> {
        let interpreter = Interpreter {
            executable: place.python.executable,
            target: place.python.target,
            magic: place.python.magic,
            cache_tag: place.python.cache_tag,
        };
        let runner = Runner::new(place.store, &place.cache, interpreter)
            .with_disk(place.disk_bytes)
            .with_memory(place.memory_bytes / 4)
            .with_policy(place.policy);
        Ok(Self { runner })
    }

    async fn answer(
        &self,
        ask: Ask,
        call: &Call,
        frames: &mpsc::Sender<Frame>,
    ) -> Result<(), Fault> {
        match ask {
            Ask::Run(request) => {
                let surroundings = Surroundings::function().until(call.until());
                // Nobody can interrupt a call of a function.
                let (_never, interrupt) = watch::channel(false);
                self.runner
                    .run(&request, &surroundings, frames, interrupt)
                    .await;
            }
            Ask::Prepare(request) => {
                self.runner.prepare(&request.lock, frames).await?;
                call.hold(request.hold_ms).await;
                let value = serde_json::Value::Null;
                let _ = frames.send(Frame::Result { value }).await;
            }
            other => return Err(call.refuse(&other)),
        }
        Ok(())
    }
}

fn main() -> ExitCode {
    // Where the kernel refuses, the list of variables that a run gets still holds.
    worker::undumpable();
    function::serve::<Deployed>()
}
