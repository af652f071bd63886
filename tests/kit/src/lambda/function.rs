//! What a function is, and the variables that its processes see.
//!
//! In: a test's description. Out: the configuration as the API shows it, and the environment as
//! "Defined runtime environment variables" of the Lambda guide lists it.
//! Never: lets a variable of the test's own process through.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

/// The account that functions belong to.
pub(super) const ACCOUNT: &str = "123456789012";
/// The region that functions are in.
pub(super) const REGION: &str = "eu-central-1";
/// The only version there is.
pub(super) const VERSION: &str = "$LATEST";

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// The program that is started: the `bootstrap`, or the wrapper.
    pub program: PathBuf,
    /// How the program is started.
    pub mode: Mode,
    /// The function's own variables; reserved ones can't be changed by them.
    pub env: BTreeMap<String, String>,
    /// Memory in MB (2^20 bytes) of all its processes; 128 unless said otherwise.
    pub memory_mb: u64,
    /// Disk in MB; 512 unless said otherwise.
    pub storage_mb: u64,
    /// How long a call may take; 3 s unless said otherwise.
    pub timeout: Duration,
    /// How long the init phase may take; 10 s, as on Lambda, unless said otherwise.
    pub init_timeout: Duration,
    /// How many calls there may be at once; `None` for the account's own limit.
    pub reserved_concurrency: Option<usize>,
    /// Whether it is started from a snapshot.
    pub snap_start: bool,
    /// The aliases and versions by which it can be called, besides `$LATEST`.
    pub qualifiers: Vec<String>,
    /// The credentials that its processes get.
    pub role: Role,
}

/// How a function's program is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// As the `bootstrap` of `provided.al2023`, with no arguments.
    Bootstrap,
    /// As the `AWS_LAMBDA_EXEC_WRAPPER` of a managed runtime, with the command of the runtime
    /// as its arguments.
    ExecWrapper {
        /// Such as `python3.12`.
        runtime: String,
        /// Such as `/var/lang/bin/python3.12 /var/runtime/bootstrap.py`.
        command: Vec<String>,
    },
}

/// The credentials of a function's role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_key: String,
    /// `AWS_SESSION_TOKEN`; servers that are no AWS may want none.
    pub session_token: Option<String>,
}

impl Default for Role {
    fn default() -> Self {
        Self {
            access_key: "ASIAEMULATEDROLE".into(),
            secret_key: "emulated-role-secret".into(),
            session_token: Some("emulated-role-token".into()),
        }
    }
}

impl Function {
    /// A function with Lambda's own defaults.
    pub fn new(name: impl Into<String>, program: impl AsRef<Path>) -> Self {
        Self {
            name: name.into(),
            program: program.as_ref().to_owned(),
            mode: Mode::Bootstrap,
            env: BTreeMap::new(),
            memory_mb: 128,
            storage_mb: 512,
            timeout: Duration::from_secs(3),
            init_timeout: Duration::from_secs(10),
            reserved_concurrency: None,
            snap_start: false,
            qualifiers: Vec::new(),
            role: Role::default(),
        }
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.insert(name.to_owned(), value.into());
        self
    }

    /// The function's ARN, with a qualifier where it was called by one.
    pub(super) fn arn(&self, qualifier: Option<&str>) -> String {
        let name = &self.name;
        let tail = qualifier.map_or(String::new(), |text| format!(":{text}"));
        format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}{tail}")
    }

    /// Whether there is such a version or alias.
    pub(super) fn has(&self, qualifier: &str) -> bool {
        qualifier == VERSION || self.qualifiers.iter().any(|one| one == qualifier)
    }

    /// The arguments of the program.
    pub(super) fn arguments(&self) -> &[String] {
        match &self.mode {
            Mode::Bootstrap => &[],
            Mode::ExecWrapper { command, .. } => command,
        }
    }

    fn runtime(&self) -> &str {
        match &self.mode {
            Mode::Bootstrap => "provided.al2023",
            Mode::ExecWrapper { runtime, .. } => runtime,
        }
    }

    fn handler(&self) -> &str {
        self.env.get("_HANDLER").map_or("bootstrap", String::as_str)
    }

    /// The folder of its code.
    pub(super) fn task_root(&self) -> &Path {
        self.program.parent().unwrap_or(Path::new("/"))
    }

    /// The variables of an environment's processes.
    pub(super) fn variables(&self, place: &Place<'_>) -> BTreeMap<String, String> {
        let folder = |name: &str| place.folder.join(name).to_string_lossy().into_owned();
        let mut all: BTreeMap<String, String> = [
            ("LANG", "en_US.UTF-8".to_owned()),
            ("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin".to_owned()),
            ("TZ", ":UTC".to_owned()),
            // A real environment has `/tmp` to itself, and its size is that of the disk.
            ("TMPDIR", folder("tmp")),
            ("PYRUN_CACHE_DIR", folder("pyrun")),
            ("PYRUN_DISK_BYTES", (self.storage_mb << 20).to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        all.extend(self.env.clone());
        let stream = format!("2026/01/01/[{VERSION}]{:032x}", place.number);
        let reserved = [
            ("AWS_DEFAULT_REGION", REGION.to_owned()),
            (
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
                self.memory_mb.to_string(),
            ),
            ("AWS_LAMBDA_FUNCTION_NAME", self.name.clone()),
            ("AWS_LAMBDA_FUNCTION_VERSION", VERSION.to_owned()),
            ("AWS_LAMBDA_INITIALIZATION_TYPE", place.start.to_owned()),
            (
                "AWS_LAMBDA_LOG_GROUP_NAME",
                format!("/aws/lambda/{}", self.name),
            ),
            ("AWS_LAMBDA_LOG_STREAM_NAME", stream),
            ("AWS_LAMBDA_RUNTIME_API", place.api.to_owned()),
            ("AWS_REGION", REGION.to_owned()),
            (
                "LAMBDA_TASK_ROOT",
                self.task_root().to_string_lossy().into_owned(),
            ),
            ("_HANDLER", self.handler().to_owned()),
        ];
        all.extend(reserved.map(|(name, value)| (name.to_owned(), value)));
        if let Mode::ExecWrapper { runtime, .. } = &self.mode {
            let wrapper = self.program.to_string_lossy().into_owned();
            all.insert("AWS_EXECUTION_ENV".into(), format!("AWS_Lambda_{runtime}"));
            all.insert("AWS_LAMBDA_EXEC_WRAPPER".into(), wrapper);
            all.insert("LAMBDA_RUNTIME_DIR".into(), "/var/runtime".into());
        }
        self.credentials(place, &mut all);
        all
    }

    /// A snapshot outlives the keys, so that its environments ask for theirs.
    fn credentials(&self, place: &Place<'_>, all: &mut BTreeMap<String, String>) {
        if self.snap_start {
            let address = format!("http://{}{CREDENTIALS}", place.api);
            all.insert("AWS_CONTAINER_CREDENTIALS_FULL_URI".into(), address);
            all.insert(
                "AWS_CONTAINER_AUTHORIZATION_TOKEN".into(),
                place.token.to_owned(),
            );
            return;
        }
        let role = &self.role;
        all.insert("AWS_ACCESS_KEY_ID".into(), role.access_key.clone());
        all.insert("AWS_SECRET_ACCESS_KEY".into(), role.secret_key.clone());
        if let Some(token) = &role.session_token {
            all.insert("AWS_SESSION_TOKEN".into(), token.clone());
        }
    }

    /// The configuration as `GetFunctionConfiguration` shows it.
    pub(super) fn configuration(&self) -> Value {
        json!({
            "FunctionName": self.name,
            "FunctionArn": self.arn(None),
            "Runtime": self.runtime(),
            "Role": format!("arn:aws:iam::{ACCOUNT}:role/{}", self.name),
            "Handler": self.handler(),
            "CodeSize": 1,
            "Description": "",
            "Timeout": self.timeout.as_secs(),
            "MemorySize": self.memory_mb,
            "LastModified": "2026-01-01T00:00:00.000+0000",
            "Version": VERSION,
            "Environment": {"Variables": self.env},
            "State": "Active",
            "LastUpdateStatus": "Successful",
            "PackageType": "Zip",
            "Architectures": [if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" }],
            "EphemeralStorage": {"Size": self.storage_mb},
            "SnapStart": {
                "ApplyOn": if self.snap_start { "PublishedVersions" } else { "None" },
                "OptimizationStatus": if self.snap_start { "On" } else { "Off" },
            },
        })
    }
}

/// Where an environment of a snapshot finds its credentials.
pub(super) const CREDENTIALS: &str = "/2021-04-23/credentials";

/// What distinguishes one environment of a function.
#[derive(Debug)]
pub(super) struct Place<'a> {
    /// Counted from 1.
    pub number: u64,
    /// The folder that stands for its disk.
    pub folder: &'a Path,
    /// Host and port of its Runtime API.
    pub api: &'a str,
    /// `on-demand`, `provisioned-concurrency` or `snap-start`.
    pub start: &'a str,
    /// What it must show for its credentials.
    pub token: &'a str,
}
