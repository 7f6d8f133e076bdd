use super::*;

fn port(shapes: &[EdgeShape]) -> Port<u64> {
    Port::new(shapes, Some(u64::clone))
}

fn taken(port: &mut Port<u64>) -> Vec<(usize, usize, Vec<u64>)> {
    let mut sealed = Vec::new();
    port.take_sealed(&mut sealed);
    sealed
        .into_iter()
        .map(|mut sealed| {
            let records = &sealed.batch.of::<u64>().unwrap().records;
            (
                sealed.edge,
                sealed.lane,
                records.iter().map(|record| record.value).collect(),
            )
        })
        .collect()
}

fn one(spread: Spread, lanes: usize) -> EdgeShape {
    EdgeShape { spread, lanes }
}

#[test]
fn a_batch_is_sealed_when_full_or_asked_and_never_empty() {
    let mut port = port(&[one(Spread::Single, 1)]);
    port.seal_all();
    assert!(taken(&mut port).is_empty());
    for n in 0..1500 {
        port.push(n, Timestamp::EPOCH);
    }
    assert_eq!(
        taken(&mut port),
        vec![(0, 0, (0..1024).collect::<Vec<_>>())]
    );
    assert!(port.has_begun());
    port.seal_all();
    assert_eq!(
        taken(&mut port),
        vec![(0, 0, (1024..1500).collect::<Vec<_>>())]
    );
    assert!(!port.has_begun());
}

#[test]
fn a_batch_that_is_just_full_waits_for_no_further_record() {
    for shape in [one(Spread::Single, 1), one(Spread::InTurn { next: 0 }, 2)] {
        let mut port = port(&[shape]);
        for n in 0..1024 {
            port.push(n, Timestamp::EPOCH);
        }
        assert_eq!(taken(&mut port).len(), 1);
        assert!(!port.has_begun());
    }
}

#[test]
fn every_edge_and_every_lane_to_all_gets_every_record() {
    let mut port = port(&[one(Spread::ToAll, 2), one(Spread::Single, 1)]);
    port.push(7, Timestamp::EPOCH);
    port.seal_all();
    let all = taken(&mut port);
    assert_eq!(all, vec![(0, 0, vec![7]), (0, 1, vec![7]), (1, 0, vec![7])]);
}

#[test]
fn without_edges_records_are_dropped() {
    let mut port = port(&[]);
    port.push(7, Timestamp::EPOCH);
    port.seal_all();
    assert!(taken(&mut port).is_empty() && !port.has_begun());
}

#[test]
fn equal_keys_take_the_same_lane_and_turns_change_with_each_batch() {
    let owners = (0..128).map(|shard| (shard % 3) as u16).collect::<Vec<_>>();
    let mut keyed = port(&[one(
        Spread::ByKey {
            owners: owners.clone(),
        },
        3,
    )]);
    for n in 0..300 {
        keyed.push_keyed(KeyHash::of(&(n % 30)), n % 30, Timestamp::EPOCH);
    }
    keyed.seal_all();
    for (_, lane, values) in taken(&mut keyed) {
        for value in values {
            let shard = KeyHash::of(&value).shard(128).0 as usize;
            assert_eq!(usize::from(owners[shard]), lane);
        }
    }
    let mut turns = port(&[one(Spread::InTurn { next: 0 }, 3)]);
    for n in 0..4 {
        turns.push(n, Timestamp::EPOCH);
        turns.seal_all();
    }
    let lanes: Vec<_> = taken(&mut turns)
        .into_iter()
        .map(|(_, lane, _)| lane)
        .collect();
    assert_eq!(lanes, [0, 1, 2, 0]);
}

#[test]
fn a_merged_batch_keeps_the_oldest_arrival() {
    let mut port = port(&[one(Spread::Single, 1)]);
    for nanos in [30, 10, 20] {
        port.begin(Instant::from_nanos(nanos), PartitionId::ONLY);
        port.push(nanos, Timestamp::EPOCH);
    }
    port.seal_all();
    port.begin(Instant::from_nanos(40), PartitionId::ONLY);
    port.push(40, Timestamp::EPOCH);
    port.seal_all();
    let mut sealed = Vec::new();
    port.take_sealed(&mut sealed);
    let arrivals: Vec<_> = sealed
        .iter()
        .map(|s| s.batch.arrival().as_nanos())
        .collect();
    assert_eq!(arrivals, [10, 40]);
}
