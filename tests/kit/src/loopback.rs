//! HTTP servers on the loopback, each in a thread and a runtime of its own.
//!
//! In: what to answer. Out: an address, which is served until the value is dropped. Never: listens
//! beyond 127.0.0.1; leaves a connection open behind it.

use std::error::Error;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::thread::JoinHandle;

use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

/// A free port, held.
pub(crate) fn bind() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the loopback has a free port");
    let address = listener
        .local_addr()
        .expect("a bound socket has an address");
    (listener, address)
}

/// A server. It stops when it is dropped.
#[derive(Debug)]
pub(crate) struct Loopback {
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Loopback {
    /// Starts a server on a free port; see [`serve`].
    pub(crate) fn start<Opened, Kept, Respond, Answering, Sent>(
        opened: Opened,
        respond: Respond,
    ) -> Self
    where
        Opened: Fn() -> Kept + Send + 'static,
        Kept: Send + 'static,
        Respond: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
        Answering: Future<Output = io::Result<Response<Sent>>> + Send + 'static,
        Sent: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
    {
        let (listener, address) = bind();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("the machine can run a runtime");
            runtime.block_on(async {
                tokio::select! {
                    _ = stopped => {}
                    () = serve(waited_for(listener), opened, respond) => {}
                }
            });
        });
        Self {
            address,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic of the server has failed the requests of the test already.
            let _ = thread.join();
        }
    }
}

/// The listener as the runtime waits for it.
pub(crate) fn waited_for(listener: TcpListener) -> tokio::net::TcpListener {
    listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener))
        .expect("a bound socket can be waited for")
}

/// Serves connections; they end when the future is dropped. What `opened` makes of each lives as
/// long as it does. An error of `respond` closes the connection without an answer.
pub(crate) async fn serve<Opened, Kept, Respond, Answering, Sent>(
    listener: tokio::net::TcpListener,
    opened: Opened,
    respond: Respond,
) where
    Opened: Fn() -> Kept,
    Kept: Send + 'static,
    Respond: Fn(Request<Incoming>) -> Answering + Clone + Send + Sync + 'static,
    Answering: Future<Output = io::Result<Response<Sent>>> + Send + 'static,
    Sent: Body<Error: Into<Box<dyn Error + Send + Sync>>, Data: Send> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        // That no connection can be had (too many files) is for the client to see.
        let Ok((stream, _)) = listener.accept().await else {
            tokio::task::yield_now().await;
            continue;
        };
        let _ = stream.set_nodelay(true);
        while connections.try_join_next().is_some() {}
        let respond = respond.clone();
        let kept = opened();
        connections.spawn(async move {
            let _kept = kept;
            // That the client went away, or was sent away, is what some tests are about.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(respond))
                .await;
        });
    }
}
