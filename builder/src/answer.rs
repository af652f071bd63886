//! A question of the wire to the frames of its answer.
//!
//! In: a [`BuildRequest`]. Out: frames, `built` or `fault` last. Never: knows how
//! frames travel.

use futures::future::BoxFuture;
use pyrun_core::protocol::{BuildRequest, Frame, Goal};
use pyrun_core::{Event, Events, Fault, Lock};
use tokio::sync::mpsc;

use crate::bytecode::Compiler;
use crate::{Builder, Locked};

impl Builder {
    /// Builds what is asked for and says all of it in frames.
    ///
    /// The future is of one known type, so that its code is compiled here, once, and not again in
    /// each program that waits for it.
    pub fn answer<'a>(
        &'a self,
        request: BuildRequest,
        compiler: &'a Compiler,
        frames: &'a mpsc::Sender<Frame>,
    ) -> BoxFuture<'a, ()> {
        Box::pin(self.say_all(request, compiler, frames))
    }

    async fn say_all(
        &self,
        request: BuildRequest,
        compiler: &Compiler,
        frames: &mpsc::Sender<Frame>,
    ) {
        let (sender, mut spoken) = mpsc::unbounded_channel::<Event>();
        let work = async move {
            let tell = move |event| {
                // Nobody listens any more only when the question was taken back.
                let _ = sender.send(event);
            };
            self.built(request, compiler, &tell).await
        };
        let pass_on = async {
            while let Some(event) = spoken.recv().await {
                if frames.send(Frame::Phase(event)).await.is_err() {
                    return;
                }
            }
        };
        let (built, ()) = tokio::join!(work, pass_on);
        let _ = frames.send(built.unwrap_or_else(Frame::Fault)).await;
    }

    async fn built(
        &self,
        request: BuildRequest,
        compiler: &Compiler,
        events: Events<'_>,
    ) -> Result<Frame, Fault> {
        let locked = match &request.pylock {
            Some(text) => {
                let draft = Lock::draft(text, Some(&request.request.target))?;
                let options = &request.request.options;
                let remembered = draft.unbuilt.is_empty();
                let lock = self.complete(draft, options, events).await?;
                Locked {
                    lock: self.attested(lock, &request.request).await?,
                    remembered,
                }
            }
            None => {
                self.lock(&request.request, request.freshness, events)
                    .await?
            }
        };
        if request.doubt {
            self.check(&locked.lock.hash(), events).await?;
        }
        let record = match request.goal {
            Goal::Lock => {
                if request.pylock.is_some() {
                    // What was resolved is admitted already, and a bundle before it is built.
                    self.held.admit(&locked.lock, events).await?;
                }
                None
            }
            Goal::Bundle | Goal::Bytecode => {
                let room = request.room.as_ref();
                Some(self.bundle_for(&locked.lock, room, events).await?)
            }
        };
        if let (Goal::Bytecode, Some(record)) = (request.goal, &record) {
            self.bytecode(&locked.lock, record, compiler, events)
                .await?;
        }
        Ok(Frame::Built {
            lock: locked.lock.hash(),
            pylock: locked.lock.to_toml(),
            record: record.map(Box::new),
            remembered: locked.remembered,
        })
    }
}
