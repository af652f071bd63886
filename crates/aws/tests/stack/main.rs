//! Stacks against `MiniStack`, which speaks `CloudFormation`, S3, Lambda and STS on the loopback, and
//! against a server of our own that answers what `MiniStack` never does.

mod against_a_stub;
mod against_ministack;
mod stub;
