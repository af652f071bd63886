//! The arguments of `deploy`, `destroy` and `doctor`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::PlaceArgs;

/// Which stack of which account.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Account")]
pub struct AccountArgs {
    /// A remote of pyrun.toml, whose stack and account are meant
    #[arg(long, value_name = "NAME", env = "PYRUN_ON")]
    pub on: Option<String>,
    /// The stack's name
    #[arg(long, value_name = "NAME")]
    pub stack: Option<String>,
    /// The AWS region
    #[arg(long, value_name = "REGION")]
    pub region: Option<String>,
    /// The profile of ~/.aws
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// One address for all of AWS, such as a server that stands in for it
    #[arg(long, value_name = "URL")]
    pub endpoint_url: Option<String>,
}

/// `pyrun deploy`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct DeployArgs {
    #[command(subcommand)]
    pub command: Option<DeployCommand>,
    #[command(flatten)]
    pub account: AccountArgs,
    #[command(flatten)]
    pub size: SizeArgs,
    /// A policy.toml that builder and runner hold to
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
    /// Any parameter of the template; may be given several times
    #[arg(long, value_name = "NAME=VALUE")]
    pub parameter: Vec<String>,
    /// The folder that holds the packaged programs
    #[arg(long, value_name = "DIR", env = "PYRUN_ARTIFACTS")]
    pub artifacts: Option<PathBuf>,
    /// The folder for everything that can be made again
    #[arg(long, value_name = "DIR", env = "PYRUN_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Only show what would change
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// How large the functions are. What is not given stays as it is.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Size")]
pub struct SizeArgs {
    /// A runner's memory in MB, such as 2048 or 4GB
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// A builder's memory in MB
    #[arg(long, value_name = "SIZE")]
    pub builder_memory: Option<String>,
    /// A function's disk in MB
    #[arg(long, value_name = "SIZE")]
    pub storage: Option<String>,
    /// How long a run may take, such as 5m
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// The functions' processor
    #[arg(long)]
    pub arch: Option<Arch>,
    /// Runs at once that are reserved for each Python version; '' for none
    #[arg(long, value_name = "COUNT")]
    pub concurrency: Option<String>,
    /// The Python versions to have functions for, such as 3.12,3.13
    #[arg(long, value_name = "VERSIONS", value_delimiter = ',')]
    pub pythons: Vec<String>,
}

/// A processor of AWS Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Arch {
    /// Intel and AMD
    #[value(name = "x86_64")]
    X86_64,
    /// Graviton
    #[value(name = "arm64")]
    Arm64,
}

/// `pyrun deploy …`.
#[derive(Debug, Subcommand)]
pub enum DeployCommand {
    /// Show what is deployed
    Status(AccountArgs),
}

/// `pyrun destroy`.
#[derive(Debug, Args)]
pub struct DestroyArgs {
    #[command(flatten)]
    pub account: AccountArgs,
    /// Remove the bucket too, with all that is in it
    #[arg(long)]
    pub purge: bool,
    /// The folder for everything that can be made again
    #[arg(long, value_name = "DIR", env = "PYRUN_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// `pyrun doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    pub account: AccountArgs,
    /// The folder or the bucket of this machine's own bundles
    #[arg(long, value_name = "DIR|URL", env = "PYRUN_STORE")]
    pub store: Option<String>,
    /// The folder for everything that can be made again
    #[arg(long, value_name = "DIR", env = "PYRUN_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
}

impl DoctorArgs {
    /// Where this machine keeps things.
    pub fn place(&self) -> PlaceArgs {
        PlaceArgs {
            on: None,
            store: self.store.clone(),
            cache_dir: self.cache_dir.clone(),
        }
    }
}
