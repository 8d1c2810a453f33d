//! Tool definition to class and risk with evidence.
