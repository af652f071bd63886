//! Two hundred environments of the emulated Lambda at once: in a program of its own, as it takes
//! the whole machine.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use pyrun_kit::lambda::{Function, LambdaServer, bootstrap};

const CALLS: usize = 200;

/// The whole answer to a call, head and all.
fn call(server: &LambdaServer, body: &str) -> String {
    let address = server.endpoint().replace("http://", "");
    let mut stream = TcpStream::connect(address).expect("it listens");
    let credential = format!(
        "{}/20260101/{}/lambda/aws4_request",
        LambdaServer::ACCESS_KEY,
        LambdaServer::REGION
    );
    write!(
        stream,
        "POST /2015-03-31/functions/f/invocations HTTP/1.1\r\nhost: lambda\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential={credential}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Each call waits in its environment until all others are there, so that they are there at once.
#[test]
fn two_hundred_environments_stand_side_by_side() {
    let folder = tempfile::tempdir().expect("room");
    let meeting = tempfile::tempdir().expect("room");
    let server = LambdaServer::start();
    let mut function = Function::new("f", bootstrap(folder.path()));
    function.timeout = Duration::from_mins(10);
    function.init_timeout = Duration::from_mins(10);
    server.function(function);
    let place = meeting.path().to_str().expect("UTF-8");
    let body = format!("{{\"do\": \"meet\", \"folder\": \"{place}\", \"count\": {CALLS}}}");
    let failed: Vec<String> = std::thread::scope(|scope| {
        let calls: Vec<_> = (0..CALLS)
            .map(|_| scope.spawn(|| call(&server, &body)))
            .collect();
        let answers = calls
            .into_iter()
            .map(|call| call.join().expect("an answer"));
        answers.filter(|text| !text.ends_with("\"met\"")).collect()
    });
    assert_eq!(failed, Vec::<String>::new());
    let statistics = server.statistics();
    assert_eq!(statistics.environments_started, CALLS as u64);
    assert_eq!(statistics.invocations, CALLS as u64);
    assert_eq!((statistics.peak, statistics.throttled), (CALLS, 0));
    assert_eq!(server.idle(), CALLS);
    server.retire_idle();
    assert_eq!(server.environments(), 0);
}
