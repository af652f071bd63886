//! A server that answers each call as a test says.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use pyrun_aws::account::{Account, Connection};

/// A status and a body.
pub type Answer = (u16, String);

/// Listens on the loopback until the test's process ends.
pub struct Stub {
    url: String,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Stub {
    /// Answers the `n`th call of an action, counted from 0, with `answer(action, n)`.
    pub fn start(answer: impl Fn(&str, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it listens");
        let calls = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&calls);
        std::thread::spawn(move || {
            let mut counts = BTreeMap::<String, usize>::new();
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let action = read(&stream);
                heard.lock().expect("no panic").push(action.clone());
                let count = counts.entry(action.clone()).or_default();
                reply(&stream, &answer(&action, *count));
                *count += 1;
            }
        });
        Self {
            url: format!("http://{address}"),
            calls,
        }
    }

    /// How often an action was called.
    pub fn count(&self, action: &str) -> usize {
        let calls = self.calls.lock().expect("no panic");
        calls.iter().filter(|called| *called == action).count()
    }

    /// A way to it.
    pub async fn connection(&self) -> Connection {
        connection(&self.url).await
    }
}

/// A way to an address.
pub async fn connection(url: &str) -> Connection {
    let account = Account {
        region: Some("eu-central-1".to_owned()),
        endpoint_url: Some(url.to_owned()),
        ..Account::default()
    };
    let opened = Connection::open(&account).await;
    opened
        .expect("a region is named")
        .with_keys("key", "secret")
}

/// The action of a call: a form has it as its first field.
fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let body = String::from_utf8_lossy(&body).into_owned();
    let action = body
        .split('&')
        .find_map(|field| field.strip_prefix("Action="));
    action.unwrap_or_default().to_owned()
}

fn reply(mut stream: &TcpStream, (status, body): &Answer) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status} -\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
}

/// An error as `CloudFormation` answers it.
pub fn error(status: u16, code: &str, message: &str) -> Answer {
    let body = format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>1</RequestId></ErrorResponse>"
    );
    (status, body)
}

/// An answer that says nothing.
pub fn done(action: &str) -> Answer {
    let body = format!("<{action}Response><{action}Result/></{action}Response>");
    (200, body)
}

/// A stack called `pyrun`, its id being `arn:pyrun`.
pub fn stack(status: &str, more: &str) -> Answer {
    let member = format!(
        "<member><StackId>arn:pyrun</StackId><StackName>pyrun</StackName><StackStatus>{status}</StackStatus><CreationTime>2026-01-01T00:00:00Z</CreationTime>{more}</member>"
    );
    let body = format!(
        "<DescribeStacksResponse><DescribeStacksResult><Stacks>{member}</Stacks></DescribeStacksResult></DescribeStacksResponse>"
    );
    (200, body)
}

/// Events, oldest first: the resource (`pyrun` for the stack itself), its status, its reason.
pub fn events(events: &[(&str, &str, &str)]) -> Answer {
    let mut members = String::new();
    for (number, (logical, status, reason)) in events.iter().enumerate().rev() {
        let physical = if *logical == "pyrun" {
            "arn:pyrun"
        } else {
            "physical"
        };
        let _ = write!(
            members,
            "<member><StackId>arn:pyrun</StackId><EventId>{number}</EventId><StackName>pyrun</StackName><LogicalResourceId>{logical}</LogicalResourceId><PhysicalResourceId>{physical}</PhysicalResourceId><ResourceType>AWS::Lambda::Function</ResourceType><Timestamp>2026-01-01T00:00:00Z</Timestamp><ResourceStatus>{status}</ResourceStatus><ResourceStatusReason>{reason}</ResourceStatusReason></member>"
        );
    }
    let body = format!(
        "<DescribeStackEventsResponse><DescribeStackEventsResult><StackEvents>{members}</StackEvents></DescribeStackEventsResult></DescribeStackEventsResponse>"
    );
    (200, body)
}
