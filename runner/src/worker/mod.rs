//! A Python process for one run, and the frames it speaks.
