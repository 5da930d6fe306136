//! Pushes from HTTP to the stores, through the handlers, the SDK and the embedded stores, as a platform would send them.

mod hostile;
mod process;
mod report;
mod support;
