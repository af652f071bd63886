//! The options of every verb that resolves, as they are typed.

use std::path::PathBuf;

use super::look::HeldArgs;
use clap::{Args, ValueEnum};

/// How to resolve.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resolving")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct ResolveArgs {
    /// Python, such as 3.12, or an interpreter's path
    #[arg(short, long, value_name = "VERSION", env = "PYRUN_PYTHON_VERSION")]
    pub python_version: Option<String>,
    /// The package index
    #[arg(
        long,
        value_name = "URL",
        env = "PYRUN_INDEX_URL",
        hide_env_values = true
    )]
    pub index_url: Option<String>,
    /// Another index, asked before the one of --index-url; may be given several times
    #[arg(
        long,
        value_name = "URL",
        env = "PYRUN_EXTRA_INDEX_URL",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub extra_index_url: Vec<String>,
    /// Take a package from this index alone: an address, or a name that --index gives one
    #[arg(long, value_name = "PACKAGE=URL|NAME", hide_env_values = true)]
    pub index_for: Vec<String>,
    /// Give an index a name for --index-for; it is asked for no other package
    #[arg(long, value_name = "NAME=URL", hide_env_values = true)]
    pub index: Vec<String>,
    /// Ask no index: use what --find-links names, and wheels by their path or address
    #[arg(long)]
    pub no_index: bool,
    /// A folder of wheels, or a page that links to some; may be given several times
    #[arg(
        short,
        long,
        value_name = "DIR|URL",
        env = "PYRUN_FIND_LINKS",
        value_delimiter = ' ',
        hide_env_values = true
    )]
    pub find_links: Vec<String>,
    /// Bounds on packages that something else brings in, as a requirements file
    #[arg(
        short,
        long,
        value_name = "FILE",
        env = "PYRUN_CONSTRAINT",
        value_delimiter = ' '
    )]
    pub constraint: Vec<PathBuf>,
    /// Requirements that stand in the place of all others on their packages, as a requirements file
    #[arg(
        long = "override",
        value_name = "FILE",
        env = "PYRUN_OVERRIDE",
        value_delimiter = ' '
    )]
    pub overrides: Vec<PathBuf>,
    /// Build this package from source (`:all:`: every package); may be given several times
    #[arg(long, value_name = "NAME|:all:")]
    pub no_binary: Vec<String>,
    /// Never build this package from source (`:all:`: no package); may be given several times
    #[arg(long, value_name = "NAME|:all:")]
    pub only_binary: Vec<String>,
    /// Build nothing from source: --only-binary :all:
    #[arg(long)]
    pub no_build: bool,
    /// Refuse packages whose digest no requirement names
    #[arg(long, env = "PYRUN_REQUIRE_HASHES", value_parser = clap::builder::FalseyValueParser::new())]
    pub require_hashes: bool,
    /// Leave out files uploaded at or after this time (2026-01-31, or with a time), or in this time
    /// until now ('7 days', P7D)
    #[arg(long, value_name = "TIME", env = "PYRUN_EXCLUDE_NEWER")]
    pub exclude_newer: Option<String>,
    /// Whether pre-releases may be chosen
    #[arg(long, value_name = "MODE", env = "PYRUN_PRERELEASE")]
    pub prerelease: Option<Prerelease>,
    /// Which of the versions that fit is preferred
    #[arg(long, value_name = "MODE", env = "PYRUN_RESOLUTION")]
    pub resolution: Option<Resolution>,
    /// Resolve anew, even if these requirements are locked already
    #[arg(short = 'U', long, conflicts_with = "locked")]
    pub upgrade: bool,
    /// Refuse to resolve: these requirements must be locked already
    #[arg(long)]
    pub locked: bool,
    /// Ask no index: use only what is here
    #[arg(long, env = "PYRUN_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    pub offline: bool,
    #[command(flatten)]
    pub held: HeldArgs,
}

/// Whether pre-releases may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Prerelease {
    /// Never
    Disallow,
    /// Always
    Allow,
    /// When asked for by name, or when nothing else fits
    IfNecessaryOrExplicit,
}

/// Which version is preferred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Resolution {
    /// The highest
    Highest,
    /// The lowest
    Lowest,
    /// The lowest of what is asked for directly
    LowestDirect,
}

/// What it is for.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Resolving")]
pub struct TargetArgs {
    /// The platform in words.
    #[arg(
        long,
        visible_alias = "python-platform",
        value_name = "PLATFORM",
        help = "For another machine than this one: x86_64, aarch64, aarch64-manylinux_2_28, \
                x86_64-musllinux_1_2, macos-arm64, …; its Python is that of --python-version"
    )]
    pub platform: Option<String>,
}

/// Which parts of a project are wanted.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Projects")]
pub struct ChoiceArgs {
    /// An extra of the project besides; may be given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub extra: Vec<String>,
    /// Every extra of the project besides
    #[arg(long, conflicts_with = "extra")]
    pub all_extras: bool,
    /// A dependency group of the project besides; may be given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub group: Vec<String>,
    /// Dependency groups of the project alone; may be given several times
    #[arg(long, value_name = "NAME", value_delimiter = ',', conflicts_with_all = ["extra", "all_extras", "group"])]
    pub only_group: Vec<String>,
}
