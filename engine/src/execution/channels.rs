//! The channels of a flow: one for each pair of replicas that an edge connects.

use std::sync::Arc;

use crate::edge::{Bell, Inputs, Message, Receiver, Sender, channel};
use crate::key::Shard;
use crate::outbox::{EdgeShape, Spread};
use crate::plan::{Plan, Route};

/// The ends of all channels, to be handed to their tasks.
pub(super) struct Channels {
    /// For each edge of the plan and each sending replica: one sender for each lane.
    senders: Vec<Vec<Vec<Sender<Message>>>>,
    /// For each vertex and each replica: its bell, and what it receives on which input.
    receivers: Vec<Vec<Receiving>>,
}

struct Receiving {
    bell: Arc<Bell>,
    channels: Vec<(usize, Receiver<Message>)>,
    /// The sending vertex and replica of each.
    senders: Vec<(usize, usize)>,
}

impl Channels {
    pub(super) fn of(plan: &Plan, capacity: usize) -> Self {
        let mut receivers: Vec<Vec<Receiving>> = plan
            .vertices
            .iter()
            .map(|vertex| {
                let new = || Receiving {
                    bell: Arc::default(),
                    channels: Vec::new(),
                    senders: Vec::new(),
                };
                std::iter::repeat_with(new)
                    .take(vertex.parallelism)
                    .collect()
            })
            .collect();
        let mut senders = Vec::new();
        for edge in &plan.edges {
            let mut of_edge = Vec::new();
            for replica in 0..plan.vertices[edge.from].parallelism {
                let lanes = if edge.is_local {
                    0..0
                } else {
                    lanes(plan, edge.from, edge.to, edge.route, replica)
                };
                let mut of_replica = Vec::new();
                for receiving in &mut receivers[edge.to][lanes] {
                    let (sender, receiver) = channel(capacity, &receiving.bell);
                    receiving.channels.push((edge.input, receiver));
                    receiving.senders.push((edge.from, replica));
                    of_replica.push(sender);
                }
                of_edge.push(of_replica);
            }
            senders.push(of_edge);
        }
        Channels { senders, receivers }
    }

    /// The sending ends of an edge that leave this replica.
    pub(super) fn take_senders(&mut self, edge: usize, replica: usize) -> Vec<Sender<Message>> {
        std::mem::take(&mut self.senders[edge][replica])
    }

    /// The receiving vertex of an edge, and the first of its replicas this one sends to.
    pub(super) fn receiver_of(plan: &Plan, edge: usize, replica: usize) -> (usize, usize) {
        let edge = &plan.edges[edge];
        let lanes = lanes(plan, edge.from, edge.to, edge.route, replica);
        (edge.to, lanes.start)
    }

    /// All that comes into this replica of a vertex.
    pub(super) fn take_inputs(&mut self, vertex: usize, replica: usize) -> Inputs {
        let receiving = &mut self.receivers[vertex][replica];
        Inputs::new(
            std::mem::take(&mut receiving.channels),
            receiving.bell.clone(),
        )
    }

    /// Who sends what comes into this replica, channel by channel.
    pub(super) fn senders_to(&self, vertex: usize, replica: usize) -> Vec<(usize, usize)> {
        self.receivers[vertex][replica].senders.clone()
    }

    /// The bell of this replica's task.
    pub(super) fn bell(&self, vertex: usize, replica: usize) -> Arc<Bell> {
        self.receivers[vertex][replica].bell.clone()
    }
}

/// Which receiving replicas a sending one is connected to.
fn lanes(
    plan: &Plan,
    from: usize,
    to: usize,
    route: Route,
    replica: usize,
) -> std::ops::Range<usize> {
    let receiving = plan.vertices[to].parallelism;
    if route == Route::Forward && plan.vertices[from].parallelism == receiving {
        replica..replica + 1
    } else {
        0..receiving
    }
}

/// How a port spreads its records over the lanes of an edge.
pub(super) fn shape(plan: &Plan, edge: usize, replica: usize, shards: u32) -> EdgeShape {
    let edge = &plan.edges[edge];
    let lanes = if edge.is_local {
        1
    } else {
        lanes(plan, edge.from, edge.to, edge.route, replica).len()
    };
    let spread = match edge.route {
        _ if lanes == 1 => Spread::Single,
        Route::ByKey => Spread::ByKey {
            owners: (0..shards)
                .map(|shard| Shard(shard).owner(shards, lanes) as u16)
                .collect(),
        },
        // Senders begin at different receivers, so that not all send to the first one first.
        Route::Forward | Route::Rebalance => Spread::InTurn {
            next: replica % lanes,
        },
        Route::Broadcast => Spread::ToAll,
    };
    EdgeShape { spread, lanes }
}
