//! The stack of an account: what `pyrun deploy` makes, changes and removes.
//!
//! In: a connection, a stack's name, the template, values for its parameters. Out: a [`Plan`] that
//! can be shown before anything happens, then events as they come, then the stack as it is; every
//! failure in words. Never: changes a stack that is not pyrun's; changes anything before its plan
//! is executed; removes the bucket unless it is asked to.
//!
//! [`StackClient::look`] says what is there, [`StackClient::plan`] what would change,
//! [`StackClient::execute`] makes it so, [`StackClient::delete`] takes it away. What lies in the
//! bucket is the business of [`Bucket`].

mod bucket;
mod error;
mod events;
mod fate;
mod follow;
mod operate;
mod outputs;
mod plan;
mod state;
mod template;

pub use bucket::{Bucket, Emptied, Weight};
pub use events::StackEvent;
pub use operate::{Removed, StackClient};
pub use outputs::{Outputs, outputs};
pub use plan::{Action, Change, ChangeSet, Draft, Plan, Replacement};
pub use state::{Stack, Status};
pub use template::{LIMIT as TEMPLATE_LIMIT, TEMPLATE, parameters as template_parameters};

use error::Failure;

/// The tag that every stack of pyrun carries. Its value never changes: a tag that did would change
/// every resource with it.
pub const TAG: (&str, &str) = ("pyrun", "stack");
