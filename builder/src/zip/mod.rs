//! Strict reading and plain writing of zip archives.
