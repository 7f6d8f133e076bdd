//! Several aggregates at once.

use super::{Aggregate, Retract};

macro_rules! tuple {
    ($($name:ident = $index:tt),+) => {
        impl<T, $($name: Aggregate<T>),+> Aggregate<T> for ($($name,)+) {
            type State = ($($name::State,)+);
            type Out = ($($name::Out,)+);
            const RETRACT: Option<Retract<Self, Self::State>> = match ($($name::RETRACT.is_some())&&+) {
                true => Some(|all, state, gone| {
                    $(if let Some(retract) = $name::RETRACT {
                        retract(&all.$index, &mut state.$index, &gone.$index);
                    })+
                }),
                false => None,
            };

            #[inline]
            fn init(&self, first: &T) -> Self::State {
                ($(self.$index.init(first),)+)
            }
            #[inline]
            fn add(&self, state: &mut Self::State, value: &T) {
                $(self.$index.add(&mut state.$index, value);)+
            }
            #[inline]
            fn merge(&self, state: &mut Self::State, other: Self::State) {
                $(self.$index.merge(&mut state.$index, other.$index);)+
            }
            fn finish(&self, state: Self::State) -> Self::Out {
                ($(self.$index.finish(state.$index),)+)
            }
        }
    };
}

tuple!(A = 0, B = 1);
tuple!(A = 0, B = 1, C = 2);
tuple!(A = 0, B = 1, C = 2, D = 3);
tuple!(A = 0, B = 1, C = 2, D = 3, E = 4);
tuple!(A = 0, B = 1, C = 2, D = 3, E = 4, F = 5);
tuple!(A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6);
tuple!(A = 0, B = 1, C = 2, D = 3, E = 4, F = 5, G = 6, H = 7);
