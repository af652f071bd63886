//! Requirements to exact versions.
