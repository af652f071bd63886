//! The command line as it is typed. What it comes to is decided in `settings`.

#[cfg(feature = "aws")]
pub mod deploy;
pub mod look;
mod resolve;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use look::{HeldArgs, PolicyCommand, TreeArgs, WhyArgs};

pub use resolve::{ChoiceArgs, Prerelease, Resolution, ResolveArgs, TargetArgs};

/// Run a Python function with its dependencies, now.
#[derive(Debug, Parser)]
#[command(
    name = "pyrun",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    arg_required_else_help = true
)]
pub struct Cli {
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// How to speak to the user.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Say nothing but errors and the result
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more: what each phase cost
    #[arg(short, long, global = true)]
    pub verbose: bool,
    /// Text for people, or JSON for programs
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub format: Format,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        env = "PYRUN_COLOR"
    )]
    pub color: Color,
}

impl OutputArgs {
    /// For programs.
    pub fn json() -> Self {
        Self {
            quiet: false,
            verbose: false,
            format: Format::Json,
            color: Color::Never,
        }
    }
}

/// Who reads the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// People
    Text,
    /// Programs: one JSON value a line
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a function or a script
    Run(RunArgs),
    /// Resolve requirements and write a pylock.toml
    Lock(Box<LockArgs>),
    /// Show which packages need which
    Tree(TreeArgs),
    /// Show why a package is there
    Why(WhyArgs),
    /// Build a bundle and its bytecode before anyone waits for them
    Prewarm(PrewarmArgs),
    /// Look at and clean up what is kept
    #[command(subcommand)]
    Cache(CacheCommand),
    /// See what a policy means and what it would refuse
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show which remotes there are, or use one from now on
    Use(UseArgs),
    /// Make the bucket and the functions in an AWS account, or change them
    #[cfg(feature = "aws")]
    Deploy(Box<deploy::DeployArgs>),
    /// Remove what `deploy` made
    #[cfg(feature = "aws")]
    Destroy(deploy::DestroyArgs),
    /// See what is well and what is not, here and in the cloud
    #[cfg(feature = "aws")]
    Doctor(deploy::DoctorArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Finish what a run left to be done behind it
    #[command(hide = true)]
    Finish(FinishArgs),
}

/// Where things are kept.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Place")]
pub struct PlaceArgs {
    /// Where it happens: `local`, `aws`, or a remote of pyrun.toml
    #[arg(long, value_name = "NAME", env = "PYRUN_ON")]
    pub on: Option<String>,
    /// The folder, or the bucket as <s3://BUCKET/PREFIX>, that holds locks, wheels and bundles
    #[arg(long, value_name = "DIR|URL", env = "PYRUN_STORE")]
    pub store: Option<String>,
    /// The folder for everything that can be made again
    #[arg(long, value_name = "DIR", env = "PYRUN_CACHE_DIR")]
    pub cache_dir: Option<PathBuf>,
}

/// `pyrun run`.
#[derive(Debug, Args)]
#[command(
    after_help = "All that follows FILE belongs to the function: `-a VALUE` or a bare word is a positional \
    argument, `--name VALUE` a keyword argument. pyrun's own options stand before FILE."
)]
pub struct RunArgs {
    /// Stop the run after this long, such as 30s or 5m
    #[arg(long, value_name = "TIME", env = "PYRUN_TIMEOUT")]
    pub timeout: Option<String>,
    /// Stop the run when it takes more memory than this, such as 512MB or 2GB
    #[arg(long, value_name = "SIZE", env = "PYRUN_MEMORY")]
    pub memory: Option<String>,
    /// Stop a run on a remote before it costs more than this, in US dollars
    #[arg(long, value_name = "USD", env = "PYRUN_MAX_COST")]
    pub max_cost: Option<String>,
    /// A whole call as JSON, {"args": [...], "kwargs": {...}}; @FILE reads a file, - standard input
    #[arg(long, value_name = "JSON")]
    pub input: Option<String>,
    /// Run against this pylock.toml or uv.lock instead of resolving
    #[arg(long, value_name = "FILE")]
    pub lock: Option<PathBuf>,
    /// Not for runs: they happen where Python is
    #[arg(long, hide = true)]
    pub platform: Option<String>,
    /// Write the result to a file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    #[command(flatten)]
    pub resolve: ResolveArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
    /// The script, `FILE` or `FILE:FUNCTION`, and the function's arguments
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, allow_hyphen_values = true,
          value_names = ["FILE[:FUNCTION]", "ARGUMENTS"])]
    pub command: Vec<OsString>,
}

/// `pyrun lock`.
#[derive(Debug, Args)]
pub struct LockArgs {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Write the lock to a file instead of standard output
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["check", "diff"])]
    pub output: Option<PathBuf>,
    /// Only say whether this pylock.toml still satisfies the requirements
    #[arg(long, value_name = "FILE", conflicts_with = "diff")]
    pub check: Option<PathBuf>,
    /// Only say what would change against this pylock.toml
    #[arg(long, value_name = "OLD")]
    pub diff: Option<PathBuf>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub resolve: ResolveArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun prewarm`.
#[derive(Debug, Args)]
pub struct PrewarmArgs {
    #[command(flatten)]
    pub sources: SourceArgs,
    /// Leave the bytecode to be compiled later
    #[arg(long)]
    pub no_bytecode: bool,
    /// Build into the store only, and do not unpack
    #[arg(long)]
    pub build_only: bool,
    /// On a remote: how many environments unpack the bundle
    #[arg(long, value_name = "COUNT", default_value_t = 1, conflicts_with = "build_only",
          value_parser = clap::value_parser!(u32).range(1..=500))]
    pub instances: u32,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub resolve: ResolveArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Where requirements come from.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// A script (FILE or <FILE:FUNCTION>), requirements.txt, pyproject.toml, pylock.toml or uv.lock,
    /// or requirements such as 'pandas>=2' or a wheel's path
    #[arg(required = true, value_name = "SOURCE")]
    pub sources: Vec<String>,
}

/// `pyrun cache …`.
#[derive(Debug, Subcommand)]
pub enum CacheCommand {
    /// List the bundles
    Ls(CacheLsArgs),
    /// Show one bundle: its packages, files and sizes
    Info(CacheOneArgs),
    /// Remove bundles
    Rm(CacheRmArgs),
    /// Remove what has not been used for long, and what nothing refers to
    Gc(CacheGcArgs),
    /// Check that bundles are what their hashes say
    Verify(CacheVerifyArgs),
    /// Print the cache's folder, or a remote's store
    Dir(PlaceArgs),
}

/// `pyrun cache ls`.
#[derive(Debug, Args)]
pub struct CacheLsArgs {
    /// The column to sort by
    #[arg(long, value_name = "COLUMN", default_value = "used")]
    pub sort: SortColumn,
    /// Turn the order around
    #[arg(long)]
    pub reverse: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// A column of `pyrun cache ls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortColumn {
    /// The hash
    Hash,
    /// The Python version
    Python,
    /// How many packages
    Packages,
    /// The size, largest first
    Size,
    /// When it was built, newest first
    Built,
    /// When it was last used, newest first
    Used,
    /// How many runs, most first
    Runs,
}

/// `pyrun cache info`.
#[derive(Debug, Args)]
pub struct CacheOneArgs {
    /// The bundle's hash, or how it begins
    pub hash: String,
    /// Print a bill of materials: `CycloneDX` 1.6 in JSON
    #[arg(long)]
    pub sbom: bool,
    /// Show known vulnerabilities of its packages
    #[arg(long)]
    pub vulnerabilities: bool,
    #[command(flatten)]
    pub held: HeldArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun cache rm`.
#[derive(Debug, Args)]
pub struct CacheRmArgs {
    /// The bundles' hashes, or how they begin
    #[arg(required_unless_present = "all")]
    pub hashes: Vec<String>,
    /// Remove every bundle, lock and wheel
    #[arg(long, conflicts_with = "hashes")]
    pub all: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun cache gc`.
#[derive(Debug, Args)]
pub struct CacheGcArgs {
    /// Keep bundles that were used within this time, such as 30d or 12h
    #[arg(long, value_name = "TIME", default_value = "30d")]
    pub older_than: String,
    /// Remove the least recently used until no more than this is left, such as 10GB
    #[arg(long, value_name = "SIZE")]
    pub max_size: Option<String>,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun cache verify`.
#[derive(Debug, Args)]
pub struct CacheVerifyArgs {
    /// The bundles' hashes, or how they begin; every bundle when none is given
    pub hashes: Vec<String>,
    /// Build each bundle again from its wheels and compare the bytes
    #[arg(long)]
    pub rebuild: bool,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun use`.
#[derive(Debug, Args)]
pub struct UseArgs {
    /// The remote, or `local` for this machine; without it the list is shown
    pub name: Option<String>,
}

/// `pyrun completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `pyrun finish`: started by a run, never by a person.
#[derive(Debug, Args)]
pub struct FinishArgs {
    /// The bundle whose bytecode is missing.
    pub lock: String,
    /// The interpreter that compiles it.
    #[arg(long)]
    pub python: PathBuf,
    #[command(flatten)]
    pub place: PlaceArgs,
}
