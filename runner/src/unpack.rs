//! A bundle to a folder: parallel, verified, safe against hostile archives.
