//! One builder at a time for one lock.
