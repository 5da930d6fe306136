//! What the functions have in common that readers ask: `query-calls`, which answers programs, and `console`, which answers people.
//!
//! - [`event`], [`request`], [`parameter`]: what API Gateway sends, how it is read, and which parameters there are.
//! - [`problem`]: why there is no answer.
//! - [`visit`]: somebody who asks, what they may see, and that it is recorded before the answer goes out.
//! - [`filter`], [`mod@format`], [`mod@file`]: lists of calls, and the forms that they have.
//! - [`names`]: what the model's values are called by people.
//! - [`recording`], [`counts`]: recordings and what is counted, as they are shown.
//! - [`path`], [`answered`]: which path it is, and what is logged and counted of the request.
//!
//! No push function has any of it.

pub mod answered;
pub mod counts;
pub mod event;
pub mod file;
pub mod filter;
pub mod format;
pub mod names;
pub mod parameter;
pub mod path;
pub mod problem;
pub mod recording;
pub mod request;
pub mod visit;

pub use event::{Answer, Event};
pub use problem::Problem;
pub use visit::{Reader, Visit};
