mod reading;
mod snippets;
mod wrapping;
