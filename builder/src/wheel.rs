//! Checks that a wheel is what the wheel specification and its own RECORD say.
