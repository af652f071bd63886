//! `pyrun tree`, `pyrun why`, `pyrun policy`, and what commands are held to.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ChoiceArgs, PlaceArgs, ResolveArgs, TargetArgs};

/// What a command on this machine is held to.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Policy")]
pub struct HeldArgs {
    /// A policy.toml to hold to on this machine; a remote has its own
    #[arg(long, value_name = "FILE", env = "PYRUN_POLICY")]
    pub policy: Option<PathBuf>,
    /// Known vulnerabilities: the all.zip of osv.dev's ecosystem PyPI, or a folder of its records
    #[arg(long, value_name = "PATH", env = "PYRUN_OSV")]
    pub osv: Option<PathBuf>,
}

/// `pyrun tree`.
#[derive(Debug, Args)]
pub struct TreeArgs {
    /// As for `pyrun lock`; without one, the pylock.toml, pyproject.toml or requirements.txt of this
    /// folder
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    /// Show so many levels
    #[arg(short, long, value_name = "LEVELS", value_parser = clap::value_parser!(u32).range(1..))]
    pub depth: Option<u32>,
    /// Show below each package who needs it
    #[arg(short, long)]
    pub invert: bool,
    /// Begin at this package; may be given several times
    #[arg(long, value_name = "NAME")]
    pub package: Vec<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub resolve: ResolveArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun why`.
#[derive(Debug, Args)]
pub struct WhyArgs {
    /// The package
    #[arg(value_name = "PACKAGE")]
    pub package: String,
    /// As for `pyrun lock`; without one, the pylock.toml, pyproject.toml or requirements.txt of this
    /// folder
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub resolve: ResolveArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `pyrun policy …`.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Say what a policy means, and what it would refuse
    Check(Box<PolicyCheckArgs>),
}

/// `pyrun policy check`.
#[derive(Debug, Args)]
pub struct PolicyCheckArgs {
    /// The policy.toml
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What to lock and to check, as for `pyrun lock`
    #[arg(value_name = "SOURCE")]
    pub sources: Vec<String>,
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub target: TargetArgs,
    #[command(flatten)]
    pub resolve: ResolveArgs,
    #[command(flatten)]
    pub place: PlaceArgs,
}
