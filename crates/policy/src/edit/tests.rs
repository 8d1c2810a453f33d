//! Edits: case files, sentences, and the laws of editing over random documents.

mod added;
mod cases;
mod laws;
mod second;
mod sentences;
