//! `deploy`, `destroy` and `doctor` against `MiniStack`: what a user sees.

use pyrun_kit::archive::{Archive, Member};
use pyrun_kit::{MiniStack, Output, TestContext};

use crate::support::PYRUN;

/// A function that answers each question as both functions do when they are asked who they are,
/// by a shell and `curl`. What a real one answers is tested where the real ones are.
const BOOTSTRAP: &str = r#"#!/bin/sh
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation"
while true; do
    head="$(mktemp)"
    curl -sS -o /dev/null -D "$head" "$api/next" || exit 1
    id="$(grep -i '^lambda-runtime-aws-request-id' "$head" | tr -d '\r' | cut -d' ' -f2)"
    {
        echo '{"type":"hello","protocol":1,"version":"VERSION"}'
        echo '{"type":"described","target":{"python":"3.12.7","os":{"name":"glibc","major":2,"minor":34},"arch":"x86_64"},"memory_bytes":536870912,"disk_bytes":1000}'
    } | curl -sS -X POST "$api/$id/response" --data-binary @- > /dev/null
done
"#;

/// A clean place, a server, and packaged functions.
struct World {
    context: TestContext,
    server: MiniStack,
}

impl World {
    fn new() -> Self {
        let server = MiniStack::start();
        let mut context = TestContext::new(PYRUN);
        for (name, value) in server.variables() {
            context = context.env(name, value);
        }
        // MiniStack does not stream.
        context.write(
            "pyrun.toml",
            "[on.aws]\nstack = \"pyrun\"\ninvoke = \"buffered\"\n",
        );
        let world = Self { context, server };
        world.package("0.1.0");
        world
    }

    /// Packs functions of a version into `artifacts`.
    fn package(&self, version: &str) {
        let about = format!("{{\"version\": \"{version}\", \"protocol\": 1}}");
        self.context.write("artifacts/package.json", about);
        for name in ["builder", "runner"] {
            let script = BOOTSTRAP.replace("VERSION", version) + "# " + name + "\n";
            let member = Member::stored("bootstrap", script.as_bytes(), 0o755);
            let zip = Archive::of(vec![member]).to_bytes();
            self.context
                .write(format!("artifacts/pyrun-{name}-x86_64.zip"), zip);
        }
    }

    /// Deploys functions that `MiniStack` can start: it knows nothing of the managed runtimes' wrapper.
    fn deploy(&self, words: &[&str]) -> Output {
        let mut all = vec!["deploy", "--artifacts", "artifacts", "--pythons", "3.12"];
        all.extend(["--parameter", "Base=provided"]);
        all.extend(["--parameter", "PythonPath=/usr/bin/python3"]);
        all.extend(words);
        self.context.run(all)
    }
}

/// All that a command says.
fn said(output: &Output) -> String {
    without_names(&format!("{}{}", output.stdout, output.stderr))
}

/// Without the bucket's name, which the server makes up.
fn without_names(text: &str) -> String {
    let mut shown = String::new();
    for line in text.lines() {
        let words: Vec<String> = line
            .split(' ')
            .map(|word| match word.rsplit_once("pyrun-bucket-") {
                Some((before, after)) => {
                    let name = after.trim_start_matches(|c: char| c.is_ascii_alphanumeric());
                    format!("{before}[BUCKET]{name}")
                }
                None => word.to_owned(),
            })
            .collect();
        shown.push_str(words.join(" ").trim_end());
        shown.push('\n');
    }
    shown
}

#[test]
fn a_stack_is_deployed_changed_looked_at_and_destroyed() {
    let world = World::new();

    // A dry run leaves nothing.
    let output = world.deploy(&["--dry-run"]);
    assert!(output.success(), "{output:?}");
    assert!(output.stdout.contains("+ add"), "{output:?}");
    assert!(output.stderr.contains("Nothing was changed"), "{output:?}");
    let output = world.context.run(["deploy", "status"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(
        output.stderr.contains("there is no stack `pyrun`"),
        "{output:?}"
    );

    // Nobody is there to be asked.
    let output = world.deploy(&[]);
    assert_eq!(output.status, Some(2), "{output:?}");
    assert!(output.stderr.contains("(deploy.refused)"), "{output:?}");
    assert!(output.stderr.contains("--yes"), "{output:?}");

    // The first deployment, in two steps under one plan.
    let output = world.deploy(&["--yes"]);
    assert!(output.success(), "{output:?}\n{}", world.server.log());
    let text = said(&output);
    for line in [
        "Stack `pyrun` in eu-central-1, account 000000000000 (arn:aws:iam::000000000000:root)",
        "The bucket is made first, then the programs",
        "  ✓ Bucket  S3::Bucket  made",
        "  ✓ programs uploaded, ",
        "  ✓ Builder312  Lambda::Function  up to date",
        "Deployed pyrun 0.1.0 for Python 3.12",
        "The store is s3://[BUCKET]/",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    let bucket_first = text.find("Bucket  S3::Bucket  made");
    assert!(bucket_first < text.find("programs uploaded"), "{text}");

    // The same again.
    let output = world.deploy(&["--yes"]);
    assert!(output.success(), "{output:?}");
    assert!(output.stderr.contains("Nothing to change"), "{output:?}");

    // A change that is what it is said to be.
    let output = world.deploy(&["--yes", "--memory", "3GB"]);
    assert!(output.success(), "{output:?}");
    assert!(
        output.stderr.contains("MemorySize (RunnerMemory)"),
        "{output:?}"
    );
    let output = world.context.run(["deploy", "status"]);
    assert!(output.success(), "{output:?}");
    for line in [
        "state      UPDATE_COMPLETE: all is as it was asked for",
        "version    0.1.0, as this pyrun",
        "RunnerMemory = 3072",
    ] {
        assert!(output.stdout.contains(line), "no `{line}` in {output:?}");
    }

    // All is well.
    let output = world.context.run(["doctor", "--on", "aws"]);
    assert!(output.success(), "{output:?}");
    for line in [
        "✓ python",
        "✓ credentials",
        "✓ quotas",
        "✓ stack",
        "✓ store",
    ] {
        assert!(output.stdout.contains(line), "no `{line}` in {output:?}");
    }
    let answered = "✓ runner 3.12   Python 3.12.7, 512 MB, version 0.1.0";
    assert!(output.stdout.contains(answered), "{output:?}");

    // Other programs, of another version.
    world.package("0.2.0");
    let output = world.deploy(&["--yes"]);
    assert!(output.success(), "{output:?}");
    let output = world.context.run(["deploy", "status"]);
    let skew = "version    0.2.0, and this pyrun is 0.1.0: `pyrun deploy` brings them together";
    assert!(output.stdout.contains(skew), "{output:?}");

    // What remotes were found to be is forgotten when they change.
    let remembered = world.context.cache().join("remotes/one.json");
    fs_err::create_dir_all(remembered.parent().expect("a folder")).expect("a folder");
    fs_err::write(&remembered, "{}").expect("a file");

    // The end, which keeps the bucket.
    let output = world.context.run(["destroy"]);
    assert_eq!(output.status, Some(2), "{output:?}");
    let output = world.context.run(["destroy", "--yes"]);
    assert!(output.success(), "{output:?}");
    let text = said(&output);
    for line in [
        "Removed: 2 functions",
        "Kept: the bucket [BUCKET], 4 objects, ",
        "· Bucket  S3::Bucket  kept",
        "Removed the stack `pyrun`",
        "`aws s3 rb --force s3://[BUCKET]` removes it",
    ] {
        assert!(text.contains(line), "no `{line}` in\n{text}");
    }
    assert!(!remembered.exists());
    let output = world.context.run(["destroy", "--yes"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(output.stderr.contains("(remote.no-stack)"), "{output:?}");
}

#[test]
fn a_purge_removes_the_bucket_too_and_programs_read_what_happens() {
    let world = World::new();
    let output = world.deploy(&["--yes", "--format", "json"]);
    assert!(output.success(), "{output:?}");
    let lines: Vec<serde_json::Value> = output
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    assert_eq!(lines[0]["type"], "plan");
    assert_eq!(lines[0]["changes"][0]["action"], "add");
    assert!(lines.iter().any(|line| line["type"] == "event"
        && line["resource"] == "Bucket"
        && line["status"] == "CREATE_COMPLETE"));
    let last = lines.last().expect("a last line");
    assert_eq!(last["type"], "deployed");
    assert!(last["runners"]["3.12"].is_string(), "{last}");
    let output = world.context.run(["destroy", "--purge", "--yes"]);
    assert!(output.success(), "{output:?}");
    let text = said(&output);
    assert!(
        text.contains("Removed the bucket [BUCKET] with 2 objects"),
        "{text}"
    );
}

#[test]
fn what_cannot_be_deployed_says_so_before_anything_is_made() {
    let world = World::new();
    let fails = |words: &[&str], code: &str, hint: &str| {
        let output = world.deploy(words);
        assert!(output.stderr.contains(code), "no {code}: {output:?}");
        assert!(output.stderr.contains(hint), "no `{hint}`: {output:?}");
    };
    fails(
        &["--yes", "--memory", "20GB"],
        "(remote.quota)",
        "10240 MB at most",
    );
    fails(
        &["--yes", "--concurrency", "500"],
        "(remote.quota)",
        "L-B99A9384",
    );
    let policy = "[packages]\nalow = ['numpy']\n";
    world.context.write("policy.toml", policy);
    fails(
        &["--yes", "--policy", "policy.toml"],
        "`alow`",
        "it is the policy in `policy.toml`",
    );
    fails(
        &["--yes", "--arch", "arm64"],
        "(usage)",
        "cargo xtask package",
    );
    fails(
        &["--yes", "--parameter", "Moon=full"],
        "(usage)",
        "it has AlarmConcurrency, ",
    );
    let output = world.context.run(["deploy", "status"]);
    assert!(output.stderr.contains("(remote.no-stack)"), "{output:?}");
}

#[test]
fn a_doctor_says_what_is_missing_and_what_to_do() {
    // No server, no credentials, no place to find them.
    let context = TestContext::new(PYRUN)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let output = context.run(["doctor", "--on", "aws"]);
    assert_eq!(output.status, Some(4), "{output:?}");
    assert!(
        output
            .stdout
            .contains("✗ region        no AWS region is set"),
        "{output:?}"
    );
    let context = context.env("AWS_REGION", "eu-central-1");
    let output = context.run(["doctor", "--on", "aws"]);
    assert!(output.stdout.contains("✗ credentials"), "{output:?}");
    assert!(output.stdout.contains("aws sso login"), "{output:?}");
    let output = context.run(["deploy", "--yes"]);
    assert!(output.stderr.contains("(remote.credentials)"), "{output:?}");
    // This machine alone.
    let output = context.run(["doctor", "--format", "json"]);
    assert!(output.success(), "{output:?}");
    assert_eq!(output.stdout.lines().count(), 2, "{output:?}");
}
