//! What a stage puts out, its promises and its end go to those behind it.

use super::Chain;
use super::work::{Came, Work};
use crate::outbox::Sealed;
use crate::task::stage::Target;
use crate::time::Frontier;

impl Chain {
    /// Takes what a stage has put out to where it goes.
    pub(super) fn deliver(&mut self, index: usize) {
        let stage = &mut self.stages[index];
        for (port, targets) in stage.targets.iter().enumerate() {
            let Some(port_out) = stage.out.ports_mut().get_mut(port) else {
                continue;
            };
            for (edge, target) in targets.iter().enumerate() {
                // Within the task nothing is gained by waiting for a full batch.
                if let Target::Stage(_) = target {
                    port_out.seal_edge(edge);
                }
            }
            port_out.take_sealed(&mut self.sealed);
            let records: usize = self.sealed.iter().map(|sealed| sealed.batch.len()).sum();
            if records > 0 {
                stage.counters.gave(records as u64);
            }
            // The stack turns the order round, so within the task the last comes first.
            let behind = self.work.len();
            for Sealed { edge, lane, batch } in self.sealed.drain(..) {
                match targets.get(edge) {
                    Some(&Target::Stage(next)) => {
                        let came = Came::Within(index, port, edge);
                        self.work.push(Work::Batch {
                            stage: next,
                            input: 0,
                            batch,
                            came,
                        });
                    }
                    Some(&Target::Remote(remote)) => self.outputs.add(remote, lane, batch),
                    None => {}
                }
            }
            self.work[behind..].reverse();
        }
    }

    pub(super) fn forward(&mut self, index: usize, promise: Frontier) {
        for &target in self.stages[index].targets.iter().flatten() {
            match target {
                Target::Stage(next) => {
                    self.work.push(Work::Frontier {
                        stage: next,
                        frontier: promise,
                    });
                }
                Target::Remote(remote) => self.outputs.promise(remote, promise),
            }
        }
    }

    pub(super) fn forward_end(&mut self, index: usize) {
        for &target in self.stages[index].targets.iter().flatten() {
            if let Target::Stage(next) = target {
                self.work.push(Work::End { stage: next });
            }
        }
    }
}
