//! Ctrl-C and its kin.
//!
//! The first one asks what is going on to end and clean up; the second one ends the process.

use pyrun_core::{Code, Exit, Fault};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells whether the user wants it to end.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub fn listen() -> Result<Self, Fault> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Fault::new(Code::INTERNAL, "can't listen for Ctrl-C").cause(error.to_string())
            })
        };
        let mut signals = [
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ];
        let (sender, receiver) = watch::channel(false);
        tokio::spawn(async move {
            any(&mut signals).await;
            let _ = sender.send(true);
            any(&mut signals).await;
            std::process::exit(i32::from(Exit::Interrupted.status()));
        });
        Ok(Self(receiver))
    }

    /// Waits until the user wants it to end.
    pub async fn wait(&mut self) {
        if self.0.wait_for(|interrupted| *interrupted).await.is_err() {
            // Nobody listens any more: there is nothing to wait for.
            std::future::pending::<()>().await;
        }
    }

    /// The channel itself, for the runner.
    pub fn channel(&self) -> watch::Receiver<bool> {
        self.0.clone()
    }
}

/// The fault of a command that was interrupted before or after its run.
pub fn fault() -> Fault {
    Fault::new(Code::RUN_INTERRUPTED, "interrupted")
}

async fn any(signals: &mut [Signal; 3]) {
    let [interrupt, terminate, hangup] = signals;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}
