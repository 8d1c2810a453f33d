//! The one truth table: true, false, undefined. Nothing else in the project combines conditions.

#[cfg(test)]
mod tests;

/// What a condition says (POLICY section 4). Undefined always denies: a `require` is met only by
/// [`Truth::True`], a `deny_if` is passed only by [`Truth::False`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Truth {
    /// The condition holds.
    True,
    /// The condition does not hold.
    False,
    /// The condition has no answer for this value.
    Undefined,
}

impl Truth {
    /// Both of them: false if one is false, else undefined if one is undefined, else true.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::Undefined, _) | (_, Self::Undefined) => Self::Undefined,
            (Self::True, Self::True) => Self::True,
        }
    }

    /// One of them (`any`): true if one is true, else undefined if one is undefined, else false.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::Undefined, _) | (_, Self::Undefined) => Self::Undefined,
            (Self::False, Self::False) => Self::False,
        }
    }

    /// True for true.
    pub fn is_true(self) -> bool {
        self == Self::True
    }

    /// True for false.
    pub fn is_false(self) -> bool {
        self == Self::False
    }

    /// True for undefined.
    pub fn is_undefined(self) -> bool {
        self == Self::Undefined
    }
}

impl std::ops::Not for Truth {
    type Output = Self;

    /// `not` keeps undefined.
    fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Undefined => Self::Undefined,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}
