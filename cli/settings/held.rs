//! What a command on this machine is held to.
//!
//! In: `--policy`, `--osv`, their variables and the settings files. Out: a policy that was read, a
//! dump of known vulnerabilities, and how far a build from source may go. Never: takes half a policy: what can't be read whole is a fault.

use std::path::Path;
use std::sync::Arc;

use pyrun_builder::Builder;
use pyrun_builder::osv::Dump;
use pyrun_builder::sdist::Bounds;
use pyrun_core::{Code, Fault, Policy};

use super::{FileSettings, units};
use crate::args::look::HeldArgs;

/// What a command on this machine is held to.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// The policy.
    pub policy: Option<Policy>,
    /// Whether the policy only guides what is resolved, and refuses nothing.
    pub is_advice: bool,
    /// What is known of vulnerabilities.
    pub osv: Option<Arc<Dump>>,
    /// What a build from source may take.
    pub bounds: Bounds,
}

impl Held {
    /// Decides what a command is held to.
    pub fn resolve(args: &HeldArgs, file: &FileSettings) -> Result<Self, Fault> {
        let policy = args.policy.as_ref().or(file.policy.as_ref());
        let policy = policy.map(|path| read(path)).transpose()?;
        Ok(Self {
            policy: policy.map(|(_, policy)| policy),
            is_advice: false,
            osv: Self::dump(args, file),
            bounds: bounds(file)?,
        })
    }

    /// The same builder, held to it.
    pub fn bind(&self, builder: Builder) -> Builder {
        let builder = builder
            .with_policy(self.policy.clone())
            .with_vulnerabilities(self.osv.clone());
        if self.is_advice {
            builder.with_advice()
        } else {
            builder
        }
    }

    /// The dump of known vulnerabilities, where one is named.
    pub fn dump(args: &HeldArgs, file: &FileSettings) -> Option<Arc<Dump>> {
        let path = args.osv.as_ref().or(file.osv.as_ref())?;
        Some(Arc::new(Dump::new(path)))
    }
}

/// What `pyrun.toml` lets a build take.
pub fn bounds(file: &FileSettings) -> Result<Bounds, Fault> {
    let mut bounds = Bounds::default();
    if let Some(text) = &file.build_time {
        bounds.time = units::duration(text)?;
    }
    if let Some(text) = &file.build_memory {
        bounds.memory = units::size(text)?;
    }
    if let Some(text) = &file.build_disk {
        bounds.disk = units::size(text)?;
    }
    Ok(bounds)
}

/// Reads a policy: its text, and what it says.
pub fn read(path: &Path) -> Result<(String, Policy), Fault> {
    let text =
        fs_err::read_to_string(path).map_err(|error| Fault::new(Code::USAGE, error.to_string()))?;
    let shown = path.display().to_string();
    let policy = Policy::parse(&text).map_err(|mut fault| {
        for span in &mut fault.spans {
            span.file.clone_from(&shown);
        }
        fault.cause(format!("it is the policy in `{shown}`"))
    })?;
    Ok((text, policy))
}

/// Refuses `--policy` where a remote is in use, which has its own. One that the environment or a
/// settings file names is for this machine, and is left alone.
pub fn refuse_policy(args: &HeldArgs, remote: &str) -> Result<(), Fault> {
    let by_environment = std::env::var_os("PYRUN_POLICY");
    match &args.policy {
        Some(path) if by_environment.as_deref() != Some(path.as_os_str()) => Err(Fault::new(
            Code::USAGE,
            format!("`--policy` is for this machine, and the remote `{remote}` is held to its own"),
        )
        .hint("give the remote a policy with `pyrun deploy --policy FILE`")),
        _ => Ok(()),
    }
}
