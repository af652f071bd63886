//! The API that callers see: who asks, for what, and which operation answers.
//!
//! In: requests of an AWS SDK. Out: answers with the statuses, headers and shapes of the Lambda
//! API reference. Never: verifies a signature, of which it reads the scope alone.

use std::io;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, Request, Response};
use serde_json::json;

use super::answer::Answer;
use super::function::{ACCOUNT, Function, REGION};
use super::http::{header, throw_away};
use super::invoke::{self, Kind};
use super::pool::World;
use super::refusal::{Failure, Refusal};
use crate::index::decode;

/// Answers a request; an error closes the connection.
pub(super) async fn respond(
    world: Arc<World>,
    mut request: Request<Incoming>,
) -> io::Result<Response<Answer>> {
    let refusal = match operation(&request) {
        Ok(operation) => match known(&world, &request) {
            Ok(()) => match operation.perform(&world, request).await? {
                Ok(response) => return Ok(response),
                Err(refusal) => refusal,
            },
            Err(refusal) => {
                throw_away(request.body_mut()).await;
                refusal
            }
        },
        Err(refusal) => refusal,
    };
    let mut state = world.state();
    if refusal.status == 429 {
        state.statistics.throttled += 1;
    } else {
        state.statistics.refused += 1;
    }
    let id = state.request_id();
    drop(state);
    Ok(refused(&refusal, &id))
}

fn refused(refusal: &Refusal, id: &str) -> Response<Answer> {
    let mut response = Response::builder()
        .status(refusal.status)
        .header("x-amzn-requestid", id);
    let body = match refusal.body.as_str() {
        Some(text) => text.to_owned(),
        None => refusal.body.to_string(),
    };
    if !refusal.kind.is_empty() {
        response = response
            .header("x-amzn-errortype", refusal.kind)
            .header("content-type", "application/json");
    }
    if let Some(seconds) = refusal.retry_after {
        response = response.header("retry-after", seconds);
    }
    response
        .header("content-length", body.len())
        .body(Answer::whole(body))
        .expect("the headers' values are valid")
}

/// Whether the request carries a key that is known, for this region and service.
fn known(world: &World, request: &Request<Incoming>) -> Result<(), Refusal> {
    let authorization = header(request, "authorization").ok_or_else(Refusal::no_key)?;
    let credential = authorization
        .split([' ', ','])
        .find_map(|part| part.strip_prefix("Credential="))
        .ok_or_else(Refusal::no_key)?;
    // KEY/DATE/REGION/SERVICE/aws4_request
    let scope: Vec<&str> = credential.split('/').collect();
    let [key, _, region, service, _] = scope[..] else {
        return Err(Refusal::no_key());
    };
    if !world.state().keys.contains(key) {
        return Err(Refusal::bad_key());
    }
    if region != REGION {
        return Err(Refusal::wrong_scope("region"));
    }
    if service != "lambda" {
        return Err(Refusal::wrong_scope("service"));
    }
    Ok(())
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
enum Operation {
    Invoke(Target),
    InvokeStreamed(Target),
    Function(Target),
    Configuration(Target),
    Concurrency(Target),
    AccountSettings,
}

/// Which function is meant.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: String,
    qualifier: Option<String>,
}

/// A function by its name, `NAME:QUALIFIER`, a partial or a whole ARN (API reference of Invoke).
fn target(text: &str, query: Option<&str>) -> Target {
    let text = decode(text);
    let tail = text
        .split_once("function:")
        .map_or(text.as_str(), |(_, tail)| tail);
    let (name, own) = match tail.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier.to_owned())),
        None => (tail, None),
    };
    let asked = query.unwrap_or_default().split('&').find_map(|pair| {
        let value = pair.strip_prefix("Qualifier=")?;
        Some(decode(value))
    });
    Target {
        name: name.to_owned(),
        qualifier: asked.or(own),
    }
}

fn operation(request: &Request<Incoming>) -> Result<Operation, Refusal> {
    parse(
        request.method(),
        request.uri().path(),
        request.uri().query(),
    )
}

fn parse(method: &Method, path: &str, query: Option<&str>) -> Result<Operation, Refusal> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let post = method == Method::POST;
    let get = method == Method::GET;
    Ok(match parts.as_slice() {
        ["2015-03-31", "functions", name, "invocations"] if post => {
            Operation::Invoke(target(name, query))
        }
        [
            "2021-11-15",
            "functions",
            name,
            "response-streaming-invocations",
        ] if post => Operation::InvokeStreamed(target(name, query)),
        ["2015-03-31", "functions", name, "configuration"] if get => {
            Operation::Configuration(target(name, query))
        }
        ["2015-03-31", "functions", name] if get => Operation::Function(target(name, query)),
        ["2019-09-30", "functions", name, "concurrency"] if get => {
            Operation::Concurrency(target(name, query))
        }
        ["2016-08-19", "account-settings"] if get => Operation::AccountSettings,
        _ => return Err(Refusal::unknown_operation()),
    })
}

impl Operation {
    async fn perform(
        self,
        world: &Arc<World>,
        mut request: Request<Incoming>,
    ) -> io::Result<Result<Response<Answer>, Refusal>> {
        let (target, streamed) = match self {
            Self::Invoke(target) => (target, false),
            Self::InvokeStreamed(target) => (target, true),
            other => return Ok(other.describe(world)),
        };
        let failure = world.state().failures.pop_front();
        match failure {
            Some(Failure::Close) => return Err(io::Error::other("closed on purpose")),
            Some(Failure::Delay(delay)) => tokio::time::sleep(delay).await,
            _ => {}
        }
        let arn = target.arn();
        let injected = failure.as_ref().and_then(|one| Refusal::of(one, &arn));
        let checked = match injected {
            Some(refusal) => Err(refusal),
            None => target.find(world).and_then(|function| {
                let kind = if streamed {
                    Kind::RequestResponse
                } else {
                    invoke::kind(&request)?
                };
                Ok((function, kind))
            }),
        };
        let (function, kind) = match checked {
            Ok(checked) => checked,
            Err(refusal) => {
                throw_away(request.body_mut()).await;
                return Ok(Err(refusal));
            }
        };
        let cut = invoke::cut_of(failure.as_ref());
        let qualifier = target.qualifier.as_deref();
        if streamed {
            invoke::invoke_streamed(world, function, qualifier, cut, request).await
        } else {
            invoke::invoke(world, function, qualifier, kind, cut, request).await
        }
    }

    /// The answer of an operation that calls nothing.
    fn describe(self, world: &World) -> Result<Response<Answer>, Refusal> {
        let body = match self {
            Self::Invoke(_) | Self::InvokeStreamed(_) => return Err(Refusal::unknown_operation()),
            Self::Configuration(target) => target.find(world)?.configuration(),
            Self::Function(target) => {
                let function = target.find(world)?;
                let mut body = json!({
                    "Configuration": function.configuration(),
                    "Code": {"RepositoryType": "S3", "Location": "http://127.0.0.1/code.zip"},
                    "Tags": {},
                });
                if let Some(reserved) = function.reserved_concurrency {
                    body["Concurrency"] = json!({"ReservedConcurrentExecutions": reserved});
                }
                body
            }
            Self::Concurrency(target) => match target.find(world)?.reserved_concurrency {
                Some(reserved) => json!({"ReservedConcurrentExecutions": reserved}),
                None => json!({}),
            },
            Self::AccountSettings => {
                let limit = world.state().account_concurrency;
                json!({
                    "AccountLimit": {
                        "TotalCodeSize": 80_530_636_800_u64,
                        "CodeSizeUnzipped": 262_144_000,
                        "CodeSizeZipped": 52_428_800,
                        "ConcurrentExecutions": limit,
                        "UnreservedConcurrentExecutions": limit,
                    },
                    "AccountUsage": {"TotalCodeSize": 1, "FunctionCount": 1},
                })
            }
        };
        let body = body.to_string();
        Ok(Response::builder()
            .status(200)
            .header("content-type", "application/json")
            .header("content-length", body.len())
            .body(Answer::whole(body))
            .expect("the headers' values are valid"))
    }
}

impl Target {
    fn arn(&self) -> String {
        let tail = self.qualifier.as_deref();
        let tail = tail.map_or(String::new(), |text| format!(":{text}"));
        let name = &self.name;
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}{tail}")
    }

    fn find(&self, world: &World) -> Result<Arc<Function>, Refusal> {
        let found = world.state().find(&self.name);
        let qualifier = self.qualifier.as_deref();
        found
            .filter(|function| qualifier.is_none_or(|text| function.has(text)))
            .ok_or_else(|| Refusal::not_found(&self.arn()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_has_four_spellings() {
        let arn = "arn%3Aaws%3Alambda%3Aeu-central-1%3A123456789012%3Afunction%3Af%3Alive";
        for (text, query, qualifier) in [
            ("f", None, None),
            ("f:live", None, Some("live")),
            ("123456789012:function:f", None, None),
            (arn, None, Some("live")),
            ("f", Some("Qualifier=%24LATEST"), Some("$LATEST")),
        ] {
            let expected = Target {
                name: "f".into(),
                qualifier: qualifier.map(ToOwned::to_owned),
            };
            assert_eq!(target(text, query), expected, "{text}");
        }
    }

    #[test]
    fn a_method_or_path_that_is_none_is_refused() {
        let path = "/2015-03-31/functions/f/invocations";
        assert!(parse(&Method::POST, path, None).is_ok());
        assert!(parse(&Method::GET, path, None).is_err());
        assert!(parse(&Method::POST, "/2015-03-31/functions/f", None).is_err());
    }
}
