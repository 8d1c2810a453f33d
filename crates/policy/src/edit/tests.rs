//! Edits: case files, sentences, and the laws of editing over random documents.

mod cases;
mod laws;
mod sentences;
