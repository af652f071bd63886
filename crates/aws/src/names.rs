//! The names that `infra/template.yaml`, the functions and the command share.
//!
//! A test holds the template to them.

/// The variable that tells a function its store, as `s3://BUCKET/PREFIX`.
pub const STORE: &str = "PYRUN_STORE";
/// The variable that tells a function the digest of its policy; empty for none.
pub const POLICY: &str = "PYRUN_POLICY";
/// The variable that names a function's Python where it is not the managed runtime's own.
pub const PYTHON: &str = "PYRUN_PYTHON";
/// The variable by which Lambda starts a program of the package in place of a managed runtime's own.
pub const WRAPPER: &str = "AWS_LAMBDA_EXEC_WRAPPER";
/// The file of a function's zip that is its program.
pub const PROGRAM: &str = "bootstrap";
/// Where Lambda unpacks a function's zip.
pub const PROGRAM_FOLDER: &str = "/var/task";
/// The variable that names the folder for all that a function keeps between calls.
pub const CACHE: &str = "PYRUN_CACHE_DIR";
/// The variable that says how many bytes of disk a function has, where its file system says more.
pub const DISK: &str = "PYRUN_DISK_BYTES";

/// Where a managed runtime of AWS Lambda keeps its Python.
pub const MANAGED_PYTHON: &str = "/var/lang/bin/python3";
/// Where a function may write.
pub const FUNCTION_CACHE: &str = "/tmp/pyrun";

/// The stack that `pyrun deploy` makes when none is named.
pub const DEFAULT_STACK: &str = "pyrun";
/// The Python versions that a stack has functions for.
pub const PYTHONS: &[&str] = &["3.12", "3.13", "3.14"];

/// The stack's output that holds the store, as `s3://BUCKET/PREFIX`.
pub const OUTPUT_STORE: &str = "Store";
/// The stack's output that holds the version of the deployed functions.
pub const OUTPUT_VERSION: &str = "Version";

/// The logical name of a version's builder, and of the output that holds the function's name:
/// `Builder312` for `3.12`.
pub fn builder(python: &str) -> String {
    format!("Builder{}", python.replace('.', ""))
}

/// The logical name of a version's runner, and of the output that holds the function's name.
pub fn runner(python: &str) -> String {
    format!("Runner{}", python.replace('.', ""))
}

/// The parameters of the template.
pub mod parameter {
    /// The key of the builder's program in the stack's bucket; empty for a stack of the bucket alone.
    pub const BUILDER_CODE: &str = "BuilderCode";
    /// The key of the runner's program, likewise.
    pub const RUNNER_CODE: &str = "RunnerCode";
    /// The version of both programs.
    pub const VERSION: &str = "Version";
    /// The prefix of every key in the bucket; empty or with a slash at its end.
    pub const PREFIX: &str = "Prefix";
    /// `x86_64` or `arm64`.
    pub const ARCHITECTURE: &str = "Architecture";
    /// `managed` for Lambda's own Python, or `provided` for one at [`PYTHON_PATH`].
    pub const BASE: &str = "Base";
    /// The layer that brings Python where it is provided; may be empty.
    pub const PYTHON_LAYER: &str = "PythonLayer";
    /// Where Python is where it is provided; empty otherwise.
    pub const PYTHON_PATH: &str = "PythonPath";
    /// The digest of the policy in the store; empty for none.
    pub const POLICY: &str = "Policy";
    /// A runner's memory in MB.
    pub const MEMORY: &str = "RunnerMemory";
    /// A builder's memory in MB.
    pub const BUILDER_MEMORY: &str = "BuilderMemory";
    /// A function's disk in MB.
    pub const STORAGE: &str = "Storage";
    /// How long a run may take, in seconds.
    pub const TIMEOUT: &str = "Timeout";
    /// How many runs there are at once at most, for each Python version; empty for the account's
    /// own limit.
    pub const CONCURRENCY: &str = "Concurrency";
    /// The subnets of the functions, with commas between them; empty for no VPC.
    pub const SUBNETS: &str = "Subnets";
    /// Their security groups, likewise.
    pub const SECURITY_GROUPS: &str = "SecurityGroups";
    /// After how many days what was built is removed; 0 for never.
    pub const DATA_DAYS: &str = "DataDays";
    /// How many days logs are kept.
    pub const LOG_DAYS: &str = "LogDays";
    /// The ARN of the key that encrypts the bucket; empty for S3's own.
    pub const KMS_KEY: &str = "KmsKey";
    /// The ARN of the roles' permissions boundary; empty for none.
    pub const PERMISSIONS_BOUNDARY: &str = "PermissionsBoundary";
    /// `yes` or `no`.
    pub const DASHBOARD: &str = "Dashboard";
    /// `yes` or `no`.
    pub const ALARMS: &str = "Alarms";
    /// The ARN of the topic that alarms are sent to; empty for none.
    pub const ALARM_TOPIC: &str = "AlarmTopic";
    /// At how many executions at once in the account there is an alarm.
    pub const ALARM_CONCURRENCY: &str = "AlarmConcurrency";

    /// Whether there are functions for a Python version, `yes` or `no`: `Python312` for `3.12`.
    pub fn python(version: &str) -> String {
        format!("Python{}", version.replace('.', ""))
    }

    /// Every parameter that the template has.
    pub fn all() -> Vec<String> {
        let fixed = [
            BUILDER_CODE,
            RUNNER_CODE,
            VERSION,
            PREFIX,
            ARCHITECTURE,
            BASE,
            PYTHON_LAYER,
            PYTHON_PATH,
            POLICY,
            MEMORY,
            BUILDER_MEMORY,
            STORAGE,
            TIMEOUT,
            CONCURRENCY,
            SUBNETS,
            SECURITY_GROUPS,
            DATA_DAYS,
            LOG_DAYS,
            KMS_KEY,
            PERMISSIONS_BOUNDARY,
            DASHBOARD,
            ALARMS,
            ALARM_TOPIC,
            ALARM_CONCURRENCY,
        ];
        let pythons = super::PYTHONS.iter().map(|version| python(version));
        fixed
            .map(str::to_owned)
            .into_iter()
            .chain(pythons)
            .collect()
    }
}
