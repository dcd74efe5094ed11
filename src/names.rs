//! Enums whose values have names.

/// Declares an enum, each value with the name by which it is written.
macro_rules! names {
    (
        $(#[$doc:meta])* $vis:vis enum $type:ident {
            $($(#[$variant_doc:meta])* $variant:ident = $name:literal,)*
        }
    ) => {
        $(#[$doc])*
        $vis enum $type { $($(#[$variant_doc])* $variant,)* }

        impl $type {
            /// All values, in the order of the declaration.
            $vis const ALL: [Self; [$($name),*].len()] = [$(Self::$variant),*];

            /// Returns the name by which the value is written.
            $vis const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}
