use millstream_engine::harness::Harness;

use super::*;
use crate::pipe::Identity;
use crate::testing::at;

fn harness(lateness: u64) -> Harness {
    with(Lateness::bounded(micros(lateness)))
}

fn micros(micros: u64) -> Duration {
    Duration::from_micros(micros)
}

fn with<S: WatermarkStrategy<i64>>(watermarks: Watermarks<S>) -> Harness {
    let time_of = |time: &i64| (*time >= 0).then(|| at(*time));
    let pipe = Identity::<i64>::new;
    Harness::new(move |_| StampTime::new(pipe(), time_of, watermarks.clone(), true))
        .with_input(|text| text.parse::<i64>().unwrap())
        .with_output(i64::to_string)
        .with_output(i64::to_string)
        .in_order()
}

#[test]
fn records_get_their_time_and_the_watermark_trails_the_latest() {
    let input = "5 9 3 -1 20 |";
    harness(0)
        .check(&[input], &["5@5 ^5 9@9 ^9 3@3 20@20 ^20 |", "|"])
        .unwrap();
    harness(6)
        .check(&[input], &["5@5 ^-1 9@9 ^3 3@3 20@20 ^14 |", "|"])
        .unwrap();
}

#[test]
fn records_without_a_time_are_counted_and_watermarks_before_it_mean_nothing() {
    let outcome = harness(0).outcome(&["-1 ^100 7 -2 |"]).unwrap();
    assert_eq!((outcome.untimed, outcome.late), (2, 0));
    assert_eq!(outcome.outputs[0].to_string(), "7@7 ^7 |");
}

#[test]
fn punctuated_watermarks_come_with_the_records_that_say_so() {
    // Tens say that all before them has come.
    let tens = Watermarks::by(|n: &i64, time| (n % 10 == 0).then_some(time));
    with(tens)
        .check(
            &["5 3 10 12 30 20 31 40 |"],
            &[
                "5@5 3@3 10@10 ^10 12@12 30@30 ^30 20@20 31@31 40@40 ^40 |",
                "|",
            ],
        )
        .unwrap();
}

/// 3000-01-01T00:00:00Z.
const YEAR_3000: i64 = 32_503_680_000_000_000;

#[test]
fn a_record_of_the_year_3000_closes_no_window() {
    let bounded = Lateness::none().with_max_ahead(micros(100));
    let input = format!("~10 5 {YEAR_3000} 110 111 ~11 111 |");
    let expected = ["5@5 ^5 110@110 ^110 111@111 ^111 |", "|"];
    let ahead = format!("{YEAR_3000}@{YEAR_3000} 111@111 |");
    with(bounded)
        .check(&[&input], &[expected[0], &ahead])
        .unwrap();
    let outcome = with(bounded).outcome(&[&input]).unwrap();
    assert_eq!((outcome.ahead, outcome.untimed), (2, 0));
    // What a strategy says may not be further ahead either.
    let bold = Watermarks::by(|_: &i64, _| Some(at(YEAR_3000))).with_max_ahead(micros(100));
    with(bold)
        .check(&["~10 5 |"], &["5@5 ^110 |", "^110 |"])
        .unwrap();
    let failing = bounded.on_ahead(Ahead::Fail);
    let told = with(failing).outcome(&[&input]).unwrap_err().to_string();
    assert!(
        told.contains("3000-01-01") && told.contains("with_max_ahead"),
        "{told}"
    );
}

#[test]
fn on_a_virtual_wall_clock_only_a_bound_that_was_set_holds() {
    let unsaid = Lateness::none();
    let real = unsaid.bound();
    assert_eq!(real, Some(Duration::from_secs(86_400)));
    let outcome = with(unsaid)
        .outcome(&[&format!("{YEAR_3000} 5 |")])
        .unwrap();
    assert_eq!(outcome.ahead, 0);
    assert_eq!(unsaid.with_max_ahead(None).bound(), None);
}

#[test]
fn silence_follows_the_wall_clock() {
    let lateness = Lateness::bounded(micros(1_000)).with_wall_clock_advance(micros(5_000));
    let input = "~100000 100000 ~104000 ~106000 ~111000 112000 ~113000 ~120000 |";
    with(lateness)
        .check(
            &[input],
            &[
                "^94000 100000@100000 ^99000 ^100000 ^105000 112000@112000 ^111000 ^114000 |",
                "|",
            ],
        )
        .unwrap();
}
