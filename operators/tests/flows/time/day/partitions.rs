//! The partitions of the world as a source.

use millstream::runtime;
use millstream_engine::batch::PartitionId;
use millstream_engine::source::{
    Intake, PartitionNews, Position, Read, Replay, Source, SourceReader, SourceSetup,
};
use millstream_engine::{Error, Result};

use super::world::{PARTITIONS, Row, World};

/// The partitions of one source, dealt to its replicas.
pub(super) struct Partitions {
    pub(super) world: World,
    pub(super) source: &'static str,
}

pub(super) struct Reader {
    world: World,
    /// By their numbers in the world.
    partitions: Vec<usize>,
    is_announced: bool,
}

impl Source for Partitions {
    type Out = Row;
    type Reader = Reader;

    fn max_parallelism(&self) -> usize {
        PARTITIONS
            .iter()
            .filter(|(of, ..)| *of == self.source)
            .count()
    }

    fn is_bounded(&self) -> bool {
        false
    }

    fn replay(&self) -> Replay {
        Replay::Never
    }

    async fn open(self, setup: SourceSetup) -> Result<Vec<Reader>> {
        let readers = setup.parallelism.min(self.max_parallelism());
        let all = PARTITIONS.iter().enumerate();
        let own = all.filter(|(_, (of, ..))| *of == self.source);
        let mut dealt = vec![Vec::new(); readers];
        for (partition, (_, number, ..)) in own {
            let next = self.world.state().partitions[partition].next.0;
            let saved = match &setup.positions {
                Some(positions) => position(positions, partition)?,
                None => 0,
            };
            assert_eq!(saved, next, "it goes on where it was");
            dealt[number % readers].push(partition);
        }
        let reader = |partitions| Reader {
            world: self.world.clone(),
            partitions,
            is_announced: false,
        };
        Ok(dealt.into_iter().map(reader).collect())
    }
}

fn name(partition: usize) -> String {
    let (source, number, ..) = PARTITIONS[partition];
    format!("{source}-{number}")
}

fn position(positions: &[Position], partition: usize) -> Result<u64> {
    let mut positions = positions.iter();
    let position = positions.find(|position| position.split == name(partition));
    let bytes = position.and_then(|position| position.state.first_chunk().copied());
    bytes
        .map(u64::from_le_bytes)
        .ok_or_else(|| Error::state(format!("no position of `{}`", name(partition))))
}

impl SourceReader for Reader {
    type Out = Row;

    async fn read(&mut self, intake: &mut Intake<Row>) -> Result<Read> {
        if !std::mem::replace(&mut self.is_announced, true) {
            for &partition in &self.partitions {
                let id = PartitionId(partition as u32);
                intake.partition(PartitionNews::Assigned(id, name(partition).into()));
            }
            return Ok(Read::More);
        }
        let due = |partition: usize| self.world.state().partitions[partition].next.1;
        let next = self
            .partitions
            .iter()
            .copied()
            .min_by_key(|partition| due(*partition));
        let partition = next.ok_or_else(|| Error::internal("a reader without partitions"))?;
        let _waiting = self.world.wait_for(partition);
        runtime::sleep(due(partition).since(runtime::wall())).await;
        intake.begin(PartitionId(partition as u32), runtime::now());
        intake.push(self.world.give(partition));
        Ok(Read::More)
    }

    fn positions(&self) -> Vec<Position> {
        let position = |partition: &usize| Position {
            split: name(*partition),
            state: self.world.state().partitions[*partition]
                .next
                .0
                .to_le_bytes()
                .to_vec(),
        };
        self.partitions.iter().map(position).collect()
    }
}
