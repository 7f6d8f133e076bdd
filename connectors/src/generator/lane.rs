//! How replicas share one sequence, and how it is dealt anew when their number changes.

use millstream_engine::source::Position;
use millstream_engine::{Error, Result};
use serde::{Deserialize, Serialize};

/// Every `stride`-th index from `next` on: what one replica still has to make.
///
/// On a first start replica r of p has the open lane r, r+p, r+2p, … Replicas are never equally far when they
/// are stopped; so a restart begins p' new open lanes behind the one that was furthest, and what the
/// others had left before it stays behind as closed lanes, dealt out as well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lane {
    pub(super) next: u64,
    stride: u64,
    /// Where a closed lane ends (this index is no longer in it).
    end: Option<u64>,
}

impl Lane {
    /// Takes the next index if it is before `bound`.
    #[inline]
    pub(super) fn take_before(&mut self, bound: u64) -> Option<u64> {
        let index = self.next;
        if index >= bound {
            return None;
        }
        self.next = index.saturating_add(self.stride);
        Some(index)
    }

    /// Where it ends in a sequence of `total` records.
    pub(super) fn end(&self, total: u64) -> u64 {
        self.end.map_or(total, |end| end.min(total))
    }

    pub(super) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    /// Whether there is an index left below `total`.
    pub(super) fn has_next(&self, total: u64) -> bool {
        self.next < self.end(total)
    }

    pub(super) fn position(&self) -> Position {
        let end = self.end.map_or(String::new(), |end| end.to_string());
        Position {
            split: format!("{}/{}..{end}", self.next % self.stride, self.stride),
            state: format!("{} {} {end}", self.next, self.stride).into_bytes(),
        }
    }

    fn of(position: &Position) -> Result<Self> {
        let parse = || {
            let text = std::str::from_utf8(&position.state).ok()?;
            let mut fields = text.split(' ');
            let next = fields.next()?.parse().ok()?;
            let stride = fields.next()?.parse().ok().filter(|&stride| stride > 0)?;
            let end = match fields.next()? {
                "" => None,
                end => Some(end.parse().ok()?),
            };
            Some(Lane { next, stride, end })
        };
        parse().ok_or_else(|| {
            Error::state(format!(
                "the position `{}` is not one of a generator",
                position.split
            ))
        })
    }
}

/// The lanes of each of `parallelism` replicas, going on behind `positions`.
pub(super) fn deal(parallelism: usize, positions: &[Position]) -> Result<Vec<Vec<Lane>>> {
    let left: Vec<Lane> = positions.iter().map(Lane::of).collect::<Result<_>>()?;
    let open = left.iter().filter(|lane| lane.is_open());
    let front = open.map(|lane| lane.next).max().unwrap_or(0);
    let stride = parallelism as u64;
    let mut replicas: Vec<Vec<Lane>> = (0..stride)
        .map(|replica| {
            vec![Lane {
                next: front.saturating_add(replica),
                stride,
                end: None,
            }]
        })
        .collect();
    let behind = left.into_iter().map(|lane| Lane {
        end: lane.end.or(Some(front)),
        ..lane
    });
    let behind = behind.filter(|lane| lane.has_next(u64::MAX));
    for (number, lane) in behind.enumerate() {
        if let Some(replica) = replicas.get_mut(number % parallelism) {
            replica.push(lane);
        }
    }
    Ok(replicas)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn positions(replicas: &[Vec<Lane>]) -> Vec<Position> {
        replicas.iter().flatten().map(Lane::position).collect()
    }

    proptest! {
        /// However often replicas stop unequally far and are dealt anew, every index is taken once.
        #[test]
        fn nothing_is_lost_or_doubled(rounds in prop::collection::vec((1..6_usize, prop::collection::vec(0..9_u64, 12)), 1..5)) {
            let total = 200;
            let mut taken = Vec::new();
            let mut saved = Vec::new();
            for (parallelism, steps) in rounds {
                let mut replicas = deal(parallelism, &saved).unwrap();
                for (lane, steps) in replicas.iter_mut().flatten().zip(steps) {
                    let end = lane.end(total);
                    taken.extend((0..steps).map_while(|_| lane.take_before(end)));
                }
                saved = positions(&replicas);
                let splits: std::collections::BTreeSet<_> = saved.iter().map(|p| &p.split).collect();
                prop_assert_eq!(splits.len(), saved.len(), "a split's name is unique");
            }
            for mut lane in deal(3, &saved).unwrap().into_iter().flatten() {
                let end = lane.end(total);
                taken.extend(std::iter::from_fn(|| lane.take_before(end)));
            }
            taken.sort_unstable();
            prop_assert_eq!(taken, (0..total).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_foreign_position_is_an_error() {
        for state in ["", "1", "1 0 ", "x 1 ", "1 1 y"] {
            let position = Position {
                split: "departures.csv".into(),
                state: state.into(),
            };
            let error = deal(1, &[position]).unwrap_err();
            assert!(error.to_string().contains("departures.csv"));
        }
    }
}
