//! A cloud on the loopback to try `--on test` by hand: an S3 server and the two functions.
//!
//! In: nothing. Out: what a shell reads to have the variables and a pyrun.toml with the remote
//! `test`. It runs until its input ends. Never: listens beyond 127.0.0.1.

use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use pyrun_kit::lambda::{Function, LambdaServer, Role};
use pyrun_kit::seaweed::Seaweed;
use pyrun_kit::{Programs, python};

#[expect(clippy::print_stdout, reason = "its output is for a shell")]
fn main() {
    let seaweed = Seaweed::shared();
    let bucket = seaweed.bucket();
    let lambda = LambdaServer::start();
    lambda.allow_key(&bucket.admin.id);
    let programs = Programs::build();
    let asked = Command::new(python())
        .args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
        .output()
        .expect("Python runs");
    let minor = String::from_utf8_lossy(&asked.stdout).trim().to_owned();
    for (name, program, keys) in [
        ("builder", &programs.builder, &bucket.admin),
        ("runner", &programs.runner, &bucket.runner),
    ] {
        let function = Function {
            memory_mb: 1024,
            timeout: Duration::from_mins(5),
            role: Role {
                access_key: keys.id.clone(),
                secret_key: keys.secret.clone(),
                session_token: None,
            },
            ..Function::new(name, program)
        };
        lambda.function(
            function
                .env("PYRUN_STORE", format!("s3://{}/", bucket.name))
                .env("PYRUN_PYTHON", python().to_string_lossy())
                .env("AWS_ENDPOINT_URL_S3", seaweed.endpoint()),
        );
    }
    println!("export AWS_ACCESS_KEY_ID={}", bucket.admin.id);
    println!("export AWS_SECRET_ACCESS_KEY={}", bucket.admin.secret);
    println!("export AWS_ENDPOINT_URL_S3={}", seaweed.endpoint());
    println!("export AWS_ENDPOINT_URL_LAMBDA={}", lambda.endpoint());
    println!("cat > pyrun.toml <<'END'");
    println!("[on.test]");
    println!("store = \"s3://{}/\"", bucket.name);
    println!("region = \"{}\"", LambdaServer::REGION);
    println!("builder = {{ \"{minor}\" = \"builder\" }}");
    println!("runner = {{ \"{minor}\" = \"runner\" }}");
    println!("END");
    // Whoever started it ends it.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}
