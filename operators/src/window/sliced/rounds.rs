//! Which keys have something to say for which window.

use std::collections::BTreeMap;

use crate::waits::LOOKED_AT;

/// Visits, window after window, the keys that have slices in it, and no others.
///
/// A key *waits* for its first window; from then on it is *live*, due for every window, until it has nothing in the
/// next one. Stretches of time without records are skipped.
pub(super) struct Rounds {
    /// Keys due for `window`; those before `at` have had their turn, and are due for the next one.
    live: Vec<u32>,
    at: usize,
    window: i64,
    waiting: BTreeMap<i64, Vec<u32>>,
}

/// Whether a key is visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Visits {
    /// It has no slices yet.
    #[default]
    Never,
    /// From this window on.
    From(i64),
    /// For every window.
    Live,
}

impl Rounds {
    pub(super) fn new() -> Self {
        Rounds {
            live: Vec::new(),
            at: 0,
            window: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// A key that is not live has slices from `window` on.
    pub(super) fn wait(&mut self, key: u32, turn: &mut Visits, window: i64) {
        let is_news = match *turn {
            Visits::Never => true,
            Visits::From(other) => window < other,
            Visits::Live => false,
        };
        if is_news {
            *turn = Visits::From(window);
            self.waiting.entry(window).or_default().push(key);
        }
    }

    /// Goes on to the next window that is visited, if there is one before `open`; in the middle of a round, that
    /// round's. `turn` gives the turn of a key, if the key is still there.
    pub(super) fn window_before(
        &mut self,
        open: i64,
        mut turn: impl FnMut(u32, &mut dyn FnMut(&mut Visits)),
    ) -> Option<i64> {
        let window = self.first().filter(|window| *window < open)?;
        self.window = window;
        for key in self.waiting.remove(&window).unwrap_or_default() {
            let live = &mut self.live;
            turn(key, &mut |turn| {
                // It may have found an earlier window since, and be gone or live by now.
                if *turn == Visits::From(window) {
                    *turn = Visits::Live;
                    live.push(key);
                }
            });
        }
        Some(window)
    }

    /// The next window that is visited, or one before it.
    pub(super) fn first(&self) -> Option<i64> {
        match self.live.is_empty() {
            false => Some(self.window),
            true => Some(*self.waiting.first_key_value()?.0),
        }
    }

    /// The next window that is visited. `turn` gives the turn of a key, if the key is still there.
    pub(super) fn next_window(&self, turn: impl Fn(u32) -> Option<Visits>) -> Option<i64> {
        if !self.live.is_empty() {
            return Some(self.window);
        }
        let waits = |window: i64, keys: &[u32]| {
            let mut keys = keys.iter().take(LOOKED_AT);
            keys.any(|key| turn(*key) == Some(Visits::From(window)))
        };
        let mut waiting = self.waiting.iter().take(LOOKED_AT);
        let (first, _) = waiting.find(|(window, keys)| waits(**window, keys))?;
        Some(*first)
    }

    /// The key whose turn it is; none when the round is over.
    #[inline]
    pub(super) fn key(&self) -> Option<u32> {
        self.live.get(self.at).copied()
    }

    /// The keys whose turn it is next, from the one whose turn it is.
    #[inline]
    pub(super) fn ahead(&self) -> impl Iterator<Item = u32> {
        self.live.iter().skip(self.at).copied()
    }

    /// The key has had its turn, and stays.
    #[inline]
    pub(super) fn stays(&mut self) {
        self.at += 1;
    }

    /// The key has had its turn, and has nothing in the next window.
    pub(super) fn leaves(&mut self) {
        if self.at < self.live.len() {
            self.live.swap_remove(self.at);
        }
    }

    /// The round is over.
    pub(super) fn end(&mut self) {
        self.at = 0;
        self.window = self.window.saturating_add(1);
    }

    /// The live keys, and the window each is due for.
    pub(super) fn live(&self) -> impl Iterator<Item = (u32, i64)> {
        let had_turn = |place| i64::from(place < self.at);
        let places = self.live.iter().enumerate();
        places.map(move |(place, key)| (*key, self.window.saturating_add(had_turn(place))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which keys are visited for which windows before 100; each stays for as long as its number says.
    fn visits(waits: &[(u32, i64)]) -> Vec<(i64, u32)> {
        let mut rounds = Rounds::new();
        let mut turns = [Visits::Never; 10];
        for (key, window) in waits {
            rounds.wait(*key, &mut turns[*key as usize], *window);
        }
        let mut left = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
        let mut visits = Vec::new();
        while let Some(window) =
            rounds.window_before(100, |key, change| change(&mut turns[key as usize]))
        {
            while let Some(key) = rounds.key() {
                visits.push((window, key));
                left[key as usize] -= 1;
                match left[key as usize] {
                    0 => rounds.leaves(),
                    _ => rounds.stays(),
                }
            }
            rounds.end();
        }
        visits.sort_unstable();
        visits
    }

    #[test]
    fn keys_are_visited_from_their_first_window_for_as_long_as_they_stay() {
        assert_eq!(visits(&[(1, 100)]), []);
        assert_eq!(
            visits(&[(2, 40), (1, 99), (3, 41), (2, 39), (2, 50)]),
            [(39, 2), (40, 2), (41, 3), (42, 3), (43, 3), (99, 1)]
        );
        assert_eq!(
            visits(&[(1, 5), (1, 5), (2, -5)]),
            [(-5, 2), (-4, 2), (5, 1)]
        );
    }
}
