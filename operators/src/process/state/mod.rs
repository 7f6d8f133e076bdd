//! State of a key in a [`Process`](crate::Process), and what of it lives for a time only.

mod list;
mod map;
mod ttl;
mod value;

pub use list::ListState;
pub use map::MapState;
pub use ttl::{Clocks, Expiry, Ttl};
pub use value::ValueState;

use millstream_engine::state::State;

/// What a [`Process`](crate::Process) can keep for each key.
///
/// Plain Rust types are, if they have a [`Default`] and can be compared with it: a state equal to its default is empty,
/// and the key is forgotten. So `Option<S>` is forgotten when it is `None`, a list when it has no items.
///
/// [`ValueState`], [`ListState`] and [`MapState`] hold what lives for a time only. A struct of one's own with such
/// fields is made state by [`key_state!`](crate::key_state):
///
/// ```
/// use millstream_operators::{MapState, ValueState, key_state};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Default, Serialize, Deserialize)]
/// struct Visitor {
///     pages: u64,
///     last: ValueState<String>,
///     per_page: MapState<String, u64>,
/// }
///
/// key_state!(Visitor { pages, last, per_page });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be kept as the state of a key",
    label = "state is serializable, and has a default that it can be compared with",
    note = "derive Default, PartialEq, Serialize and Deserialize, or keep an `Option<{Self}>`; a struct with \
            ValueState, ListState or MapState in it needs `key_state!` instead of PartialEq"
)]
pub trait KeyState: State + Default {
    /// Whether nothing in it is worth keeping.
    fn is_empty(&self) -> bool;

    /// Drops what has expired: all of it, or so much that [`next_expiry`](KeyState::next_expiry) says there is more.
    fn expire(&mut self, clocks: &Clocks) {
        let _ = clocks;
    }

    /// When there is next something to drop.
    #[inline]
    fn next_expiry(&self) -> Expiry {
        Expiry::default()
    }

    /// Takes over from `fresh`, the state of a key that has none, how long what is in it lives: that is not saved.
    fn adopt(&mut self, fresh: &Self) {
        let _ = fresh;
    }
}

impl<S: State + Default + PartialEq> KeyState for S {
    #[inline]
    fn is_empty(&self) -> bool {
        *self == S::default()
    }
}

/// Makes [`KeyState`](crate::KeyState) of a struct whose fields are, by naming all of them:
/// `key_state!(Visitor { pages, last, per_page });`. It is empty when they all are. One that is left out does not compile,
/// and neither does one that cannot be kept as state itself.
#[macro_export]
macro_rules! key_state {
    ($state:ident { $($field:ident),* $(,)? }) => {
        impl $crate::KeyState for $state {
            fn is_empty(&self) -> bool {
                // A field that is not named does not compile: nothing in it would ever expire.
                let $state { $($field),* } = self;
                true $(&& $crate::KeyState::is_empty($field))*
            }
            fn expire(&mut self, clocks: &$crate::Clocks) {
                $($crate::KeyState::expire(&mut self.$field, clocks);)*
            }
            fn next_expiry(&self) -> $crate::Expiry {
                let next = $crate::Expiry::default();
                $(let next = next.or($crate::KeyState::next_expiry(&self.$field));)*
                next
            }
            fn adopt(&mut self, fresh: &Self) {
                $($crate::KeyState::adopt(&mut self.$field, &fresh.$field);)*
            }
        }
    };
}

#[cfg(test)]
mod tests;
