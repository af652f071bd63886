//! Archives that may and may not be unpacked; builds that are good, bad and hostile.

mod builds;
mod confined;
mod greedy;
mod support;
mod unpacked;
