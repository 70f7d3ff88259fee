//! The whole suite is one binary.
