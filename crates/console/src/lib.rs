//! Control plane: use cases, JSON API, pages.
