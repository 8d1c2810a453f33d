//! The pages of the console: what people see and do in a browser. A page calls use cases and shows
//! what they say.
//!
//! What never lives here: what anybody may do (`ops`), SQL.

pub mod form;
pub mod visitor;
