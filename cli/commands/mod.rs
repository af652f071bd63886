//! One file a verb: settings, then the client, then the console. No business here.

pub mod cache;
pub mod completions;
pub mod finish;
pub mod lock;
pub mod prewarm;
pub mod run;
